"""Made-up project API keys, and twenty policies for them."""

import random
from collections.abc import Mapping

from peers.conditions import DAY, Condition, No, every, leaf, some

SEED = 2026
GROUPS = ("owners", "platform", "research", "finance", "contractors", "security", "support", "ops")

POLICIES: Mapping[str, Condition] = {
    "stale": every(
        No(leaf("owner.role", "is", "owner")), leaf("created_at", "older", 90), leaf("last_used_at", "older", 110)
    ),
    "never-used": every(leaf("last_used_at", "null"), leaf("created_at", "older", 30)),
    "old": every(leaf("created_at", "older", 700), No(leaf("project.status", "is", "archived"))),
    "owner-left": every(leaf("owner.type", "is", "user"), leaf("owner.is_member", "is", False)),
    "archived-project": every(leaf("project.status", "is", "archived"), No(leaf("last_used_at", "older", 30))),
    "test-key-in-prod": every(
        leaf("name", "starts", "test-"), leaf("project.name", "ends", "-prod"), leaf("created_at", "older", 7)
    ),
    "temporary": every(
        some(leaf("name", "holds", "tmp"), leaf("name", "holds", "temporary")), leaf("created_at", "older", 200)
    ),
    "outside-address": every(leaf("owner.type", "is", "user"), No(leaf("owner.email", "ends", "@example.com"))),
    "personal-name": every(leaf("name", "regex", "^(personal|private)"), leaf("created_at", "older", 30)),
    "numbered-name": every(leaf("name", "regex", "-v[0-9]+$"), leaf("created_at", "older", 365)),
    "odd-id": every(leaf("id", "regex", "^key_0000"), leaf("created_at", "older", 2)),
    "contractor": every(leaf("owner.groups", "has", "contractors"), leaf("created_at", "older", 380)),
    "no-approved-group": every(leaf("owner.role", "is", "owner"), No(leaf("owner.groups", "has", "owners"))),
    "sensitive-project": every(
        leaf("project.name", "in", ["payroll-prod", "ledger-prod"]), leaf("last_used_at", "older", 30)
    ),
    "fresh-machine": every(leaf("owner.type", "is", "service_account"), No(leaf("created_at", "older", 7))),
    "shared": every(
        leaf("name", "holds", "shared"), leaf("owner.type", "is", "user"), leaf("created_at", "older", 180)
    ),
    "nobody": every(leaf("owner.name", "null"), leaf("created_at", "older", 7)),
    "dormant-owner": every(
        leaf("owner.role", "is", "owner"), leaf("owner.org_role", "is", "reader"), leaf("last_used_at", "older", 90)
    ),
    "blocked-in-use": every(leaf("owner_project_access", "is", "inactive"), No(leaf("last_used_at", "older", 7))),
    "old-and-idle": every(leaf("created_at", "older", 300), leaf("last_used_at", "older", 110)),
}
"""45 comparisons: 19 with times, 24 with texts and booleans (three regular expressions among them), 2 with lists.

The mix that the targets were set with had three ISO 8601 times among its times. This API has none.
"""


def keys(count: int, now: int) -> list[dict[str, object]]:
    """Keys as the API nests them; every field is there, null where it has no value. What people name has any case."""
    dice = random.Random(SEED)  # noqa: S311 - made-up data
    return [_key(dice, number, now) for number in range(count)]


def _key(dice: random.Random, number: int, now: int) -> dict[str, object]:
    # Half an hour away from every whole day: some engines read the clock by themselves.
    created = now - dice.choice([*range(3, 400)] * 12 + [*range(900)]) * DAY - 1800
    used = None if dice.random() < 0.03 else max(created, now - dice.choice([0] * 40 + [*range(120)]) * DAY - 1800)
    machine = dice.random() < 0.4
    owner_role = "owner" if dice.random() < 0.1 else "member"
    words = ["prod", "etl", "batch", "chat", "web", "search"] * 12 + ["tmp", "Tmp", "shared", "temporary"]
    start = dice.choice(["svc-", "App-", "job-"] * 25 + ["test-", "Test-", "personal-", "private-"])
    project = dice.choice(
        ["chat-prod", "search-prod", "lab-dev", "etl-dev", "web-stage"] * 15 + ["payroll-prod", "Ledger-Prod"]
    )
    name = f"{start}{dice.choice(words)}-{number}" + ("-v2" if dice.random() < 0.02 else "")
    place = "example.org" if dice.random() < 0.03 else dice.choice(["example.com", "Example.com"])
    return {
        "id": f"key_{number if dice.random() < 0.01 else number + 10_000:08}",
        "name": name,
        "created_at": created,
        "last_used_at": used,
        "owner_project_access": "inactive" if dice.random() < 0.015 else "active",
        "owner": {
            "type": "service_account" if machine else "user",
            "name": None if dice.random() < 0.01 else f"owner {number}",
            "email": f"user{number}@{place}",
            "is_member": dice.random() > 0.02,
            "role": owner_role,
            "org_role": "reader" if dice.random() < 0.7 else "owner",
            "groups": ["owners"] * (dice.random() < 0.9) + dice.sample(GROUPS[1:], dice.choice([0, 1, 2])),
        },
        "project": {"name": project, "status": "archived" if dice.random() < 0.02 else "active"},
    }
