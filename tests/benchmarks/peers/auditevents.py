"""Made-up audit events of fifty types, and rules for them, as many as are wanted."""

import random
from collections.abc import Mapping

import msgspec

from peers.conditions import Condition, No, every, leaf, some

SEED = 2026
TYPES = tuple(
    f"{area}.{verb}"
    for area in (
        "login",
        "api_key",
        "user",
        "invite",
        "project",
        "role",
        "group",
        "certificate",
        "webhook",
        "rate_limit",
    )
    for verb in ("created", "updated", "deleted", "failed", "listed")
)
START = 1_700_000_000
NAMES = ("abc", "prod", "w7") * 4 + ("tmp", "test")
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Macintosh)") * 3 + ("curl/8.5",)
EVERY = 30
"""Seconds between two events."""


def rules(count: int) -> Mapping[str, Condition]:
    """Rules from twenty patterns, each with values of its own; every tenth looks at events of any type."""
    dice = random.Random(SEED)  # noqa: S311 - made-up data
    return {f"rule-{number:04}": _rule(dice, number) for number in range(count)}


def _rule(dice: random.Random, number: int) -> Condition:
    of_type, two = leaf("type", "is", dice.choice(TYPES)), leaf("type", "in", dice.sample(TYPES, 2))
    user, net = f"user{dice.randrange(400)}@example.com", f"198.18.{dice.randrange(100, 120)}.0/24"
    role, name = dice.choice(["owner", "admin", "reader", "billing"]), f"w{dice.randrange(300)}"
    email, address = "actor.session.user.email", "actor.session.ip_address"
    patterns = (
        every(of_type, leaf("payload.role", "is", role), No(leaf(email, "ends", "@example.com"))),
        every(of_type, No(leaf(address, "network", "198.18.0.0/16"))),
        every(of_type, leaf(address, "network", net), leaf("payload.scope", "holds", "write")),
        every(of_type, leaf(email, "is", user)),
        every(leaf("type", "in", dice.sample(TYPES, 3)), leaf("payload.name", "starts", name)),
        every(of_type, some(leaf("payload.name", "holds", "tmp"), leaf("payload.name", "ends", "-test"))),
        every(of_type, leaf("payload.role", "in", ["owner", "admin"]), leaf("project.name", "starts", "prod")),
        every(of_type, leaf("payload.count", "over", dice.randrange(900, 990))),
        every(of_type, leaf("payload.scope", "is", "all"), No(leaf("project.name", "holds", "lab"))),
        every(leaf(email, "is", user), leaf("payload.role", "is", role)),
        every(of_type, leaf("payload.name", "regex", f"^{name}-[a-f]+$")),
        every(of_type, leaf("payload.note", "null"), leaf("payload.role", "is", role)),
        every(of_type, some(leaf(address, "network", net), leaf(email, "starts", "user12"))),
        every(two, No(leaf("payload.role", "is", "reader")), leaf("payload.count", "under", 20)),
        every(of_type, leaf("payload.note", "holds", "urgent"), leaf("payload.count", "over", 500)),
        every(of_type, leaf("project.id", "in", [f"proj_{dice.randrange(50)}" for _ in range(3)])),
        every(of_type, leaf("actor.session.user_agent", "holds", "curl")),
        every(of_type, leaf("payload.scope", "starts", "read"), leaf("payload.role", "is", "owner")),
        every(of_type, leaf("payload.name", "ends", f"-{name}")),
        every(leaf("payload.scope", "is", "all"), leaf("payload.role", "is", role), leaf("payload.count", "over", 950)),
    )  # fmt: skip
    return patterns[number % len(patterns)]


def events(count: int) -> list[bytes]:
    """Events as the API sends them, oldest first, some 700 bytes each; few types are frequent, most are rare."""
    dice = random.Random(SEED)  # noqa: S311 - made-up data
    weights = [1 / (rank + 2) for rank in range(len(TYPES))]
    kinds = dice.choices(dice.sample(TYPES, len(TYPES)), weights, k=count)
    return [msgspec.json.encode(_event(dice, number, kind)) for number, kind in enumerate(kinds)]


def _event(dice: random.Random, number: int, kind: str) -> dict[str, object]:
    user, start = dice.randrange(400), dice.choice(["W", "w", "x", "job-"])
    # Addresses of the network that is set aside for benchmarks, and of one for documentation.
    network = dice.choice(
        [
            f"198.18.{dice.randrange(90, 125)}",
            f"198.18.{dice.randrange(90, 125)}",
            f"198.18.{dice.randrange(90, 125)}",
            "203.0.113",
        ]
    )
    payload: dict[str, object] = {
        "id": f"object_{number:08}",
        "name": f"{start}{dice.randrange(300)}-{dice.choice(NAMES)}",
        "role": dice.choice(["reader", "reader", "member", "Admin", "owner", "billing"]),
        "scope": dice.choice(["read", "read", "read:files", "write", "All", "none"]),
        "count": dice.randrange(1000),
        "labels": [f"label {dice.randrange(20)}" for _ in range(3)],
        "description": f"made by a benchmark, number {number}, and not urgent to anybody who reads this " * 2,
    }
    if dice.random() < 0.7:
        payload["note"] = dice.choice(["nothing", "URGENT: look", "routine", "see ticket"])
    return {
        "object": "organization.audit_log",
        "id": f"audit_log_{number:08}",
        "type": kind,
        "effective_at": START + number * EVERY,
        "actor": {
            "type": "session",
            "session": {
                "ip_address": f"{network}.{dice.randrange(256)}",
                "user_agent": dice.choice(AGENTS),
                "user": {
                    "id": f"user_{user}",
                    "email": f"User{user}@{'example.org' if user % 40 == 0 else 'example.com'}",
                },
            },
        },
        "project": {"id": f"proj_{dice.randrange(50)}", "name": dice.choice(["prod-web", "Prod-etl", "lab", "stage"])},
        kind: payload,
    }
