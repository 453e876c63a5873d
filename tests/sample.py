"""A realistic week of one organization, for tests of what people read: policies, snapshots, findings, events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from auditor.alerts.message import Alert, AlertKind, encode
from auditor.findings.matcher import Matcher
from auditor.findings.model import Decision, Finding, Reason, Transition, identity
from auditor.findings.waivers import Use, Waiver
from auditor.inventory.model import Coverage, Gap, Scope
from auditor.policy.model import EVENT, Policy
from auditor.reporting.facts import Facts, read
from auditor.store import events, findings, leases, organizations, outbox, runs, waivers, watermarks
from auditor.store import transitions as store_transitions
from auditor.store.database import Store, Transaction
from auditor.store.events import StoredEvent
from auditor.store.outbox import Message, Progress
from auditor.store.runs import PolicyLine, Run, UnknownLine
from auditor.store.watermarks import Watermark
from auditor.terms import Level, Outcome, State, Status, Stream

ORGANIZATION = "acme"
DAY = 86_400
NOW = 1_763_971_200
"""2025-11-24T08:00:00Z, a Monday."""
START = NOW - 7 * DAY

_KEY_REMEDY = "Delete the key, or have its owner record a waiver with an end date."


def _policy(name: str, title: str, kind: str, level: Level, remediation: str, **controls: str) -> Policy:
    soc2, iso = controls.get("soc2", ""), controls.get("iso", "")
    mapped = {
        "soc2": dict.fromkeys(soc2.split(), "partial"),
        "iso27001": dict.fromkeys(iso.split(), controls.get("strength", "supporting")),
        "nist-800-53": dict.fromkeys(controls.get("nist", "").split(), "direct"),
    }
    return Policy(
        name=name,
        title=title,
        kind=kind,
        level=level,
        remediation=remediation,
        description=title + ".",
        controls={framework: some for framework, some in mapped.items() if some},
        digest=identity("policy", name, kind, (title,)) * 4,
    )


POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        _policy("ip-allowlist-missing", "No active IP allowlist", "ip_allowlist", Level.CRITICAL,
                "Activate the allowlist again under Settings, Security, and find out who switched it off.",
                soc2="CC6.1 CC6.6", iso="A.8.20", nist="AC-3 SC-7"),
        _policy("owner-outside-groups", "Owner outside the approved groups", "user", Level.CRITICAL,
                "Take the owner role away, or add the person to an approved group after a review.",
                soc2="CC6.2 CC6.3", iso="A.5.15 A.8.2", nist="AC-6(5)", strength="partial"),
        _policy("key-owner-left", "API key whose owner left the organization", "project_api_key", Level.CRITICAL,
                "Delete the key; give the workload a service account.", soc2="CC6.2", iso="A.5.18", nist="PS-4"),
        _policy("project-key-stale", "Project API key unused for 90 days", "project_api_key", Level.HIGH, _KEY_REMEDY,
                soc2="CC6.1 CC6.2", iso="A.5.16", nist="AC-2(3)"),
        _policy("api-call-logging-disabled", "API call logging is off", "organization_settings", Level.HIGH,
                "Switch API call logging on for all projects.", soc2="CC7.2", iso="A.8.15", nist="AU-2"),
        _policy("admin-key-unused", "Admin API key unused for 30 days", "admin_api_key", Level.HIGH,
                "Delete the admin key.", soc2="CC6.1", iso="A.5.17", nist="AC-2(3)"),
        _policy("scim-not-enabled", "Members are not managed by SCIM", "organization_settings", Level.MEDIUM,
                "Connect the identity provider by SCIM.", soc2="CC6.2", iso="A.5.16"),
        _policy("certificate-expiring", "mTLS certificate ends within 30 days", "certificate", Level.MEDIUM,
                "Upload the next certificate and activate it before the old one ends.", soc2="CC6.7", iso="A.8.24"),
        _policy("key-without-expiry", "API key without an end date", "project_api_key", Level.MEDIUM,
                "Make a new key with an end date and delete this one.", soc2="CC6.1", iso="A.5.17", nist="IA-5"),
        _policy("too-many-owners", "More than five organization owners", "user", Level.MEDIUM,
                "Keep two to five owners; give the others a narrower role.", soc2="CC6.3", iso="A.8.2", nist="AC-6"),
        _policy("invite-owner-pending", "Invitation to become owner is pending", "invite", Level.LOW,
                "Withdraw the invitation when nobody expects it.", soc2="CC6.2", iso="A.5.16"),
        _policy("project-without-rate-limit", "Project on the default rate limits", "project_rate_limit", Level.LOW,
                "Set limits that fit the workload.", soc2="A1.1", iso="A.8.6"),
        _policy("project-archived-key", "Enabled key in an archived project", "project_api_key", Level.LOW,
                "Delete the key.", soc2="CC6.2", iso="A.5.18"),
        _policy("admin-key-created", "Admin API key created", EVENT, Level.HIGH,
                "Ask the person whether the key is theirs.", soc2="CC6.1 CC7.2", iso="A.8.16"),
        _policy("login-failures", "Many failed logins from one address", EVENT, Level.HIGH,
                "Block the address; look at the accounts it tried.", soc2="CC7.2", iso="A.8.16"),
        _policy("allowlist-deactivated", "IP allowlist deactivated", EVENT, Level.CRITICAL,
                "Activate it again and ask the person why.", soc2="CC7.2", iso="A.8.16"),
    )
}  # fmt: skip

OUTCOMES: Mapping[str, tuple[Outcome, int, int, int]] = {
    "ip-allowlist-missing": (Outcome.FAIL, 0, 1, 0),
    "owner-outside-groups": (Outcome.FAIL, 4, 2, 0),
    "key-owner-left": (Outcome.PASS, 61, 0, 0),
    "project-key-stale": (Outcome.FAIL, 49, 12, 0),
    "api-call-logging-disabled": (Outcome.UNKNOWN, 0, 0, 1),
    "admin-key-unused": (Outcome.PASS, 3, 0, 0),
    "scim-not-enabled": (Outcome.PASS, 1, 0, 0),
    "certificate-expiring": (Outcome.UNKNOWN, 0, 0, 1),
    "key-without-expiry": (Outcome.FAIL, 32, 29, 0),
    "too-many-owners": (Outcome.FAIL, 0, 1, 0),
    "invite-owner-pending": (Outcome.PASS, 5, 0, 0),
    "project-without-rate-limit": (Outcome.FAIL, 9, 3, 0),
    "project-archived-key": (Outcome.PASS, 61, 0, 0),
}
"""Last outcome of each state policy: outcome, complying, failing and unknown resources."""

_PEOPLE = ("Ada Berg", "Bo Lind", "Chen Wei", "Dana Okoye", "Eli Marsh", "Farah Nouri")


def finding(
    policy: str,
    ids: Scope,
    name: str,
    message: str,
    *,
    opened_at: int = NOW - 20 * DAY,
    state: State = State.OPEN,
    resolved_at: int | None = None,
    **evidence: object,
) -> Finding:
    """One finding of a policy of the sample."""
    rule = POLICIES[policy]
    return Finding(
        id=identity(ORGANIZATION, policy, rule.kind, ids),
        organization=ORGANIZATION,
        policy=policy,
        kind=rule.kind,
        ids=ids,
        name=name,
        level=rule.level,
        state=state,
        title=rule.title,
        message=message,
        opened_at=opened_at,
        seen_at=NOW - 120,
        changed_at=resolved_at or opened_at,
        resolved_at=resolved_at,
        occurrence=rule.kind == EVENT,
        evidence={"matched": ["selection"], "body_sha256": "5f" * 32, "policy_digest": rule.digest, **evidence},
    )


def _stale(number: int) -> Finding:
    person = _PEOPLE[number % len(_PEOPLE)]
    return finding(
        "project-key-stale",
        (f"proj_{number % 4}", f"key_{number}"),
        f"batch-{number}",
        f"batch-{number} of {person} in Research: last used {91 + 7 * number} days ago",
        opened_at=NOW - (3 + 5 * number) * DAY,
        owner=f"{person.split()[0].lower()}@example.com",
        matched=["unused"],
    )


def _endless(number: int) -> Finding:
    return finding(
        "key-without-expiry",
        (f"proj_{number % 4}", f"key_{number}"),
        f"batch-{number}",
        f"batch-{number} in Research has no end date",
        owner=f"{_PEOPLE[number % 6].split()[0].lower()}@example.com",
    )


def _limits(number: int) -> Finding:
    ids = (f"proj_{number}", f"rl_{number}")
    return finding("project-without-rate-limit", ids, "gpt-4o", f"Project {number}: limits of gpt-4o are the default")


BO = {"email": "bo@example.com", "ip": "203.0.113.9", "type": "session", "kind": "user", "id": "user_2"}

FINDINGS: tuple[Finding, ...] = (
    finding("ip-allowlist-missing", ("*",), "*", "No IP allowlist is active", opened_at=NOW - DAY, actor=BO,
            events=["audit_log-20251123-77"]),
    finding("owner-outside-groups", ("user_2",), "Bo Lind", "bo@example.com is an owner, in none of platform-admins",
            opened_at=NOW - 2 * DAY, owner="bo@example.com", actor={"email": "ada@example.com", "ip": "198.51.100.4"}),
    finding("owner-outside-groups", ("user_9",), "Ivo Kranz", "ivo@example.com is an owner, in none of platform-admins",
            owner="ivo@example.com", state=State.REOPENED, opened_at=NOW - 4 * DAY),
    *(_stale(number) for number in range(12)),
    *(_endless(number) for number in range(29)),
    finding("too-many-owners", ("*",), "*", "7 users are owners, at most 5 are allowed"),
    *(_limits(number) for number in range(2)),
    replace(_limits(2), state=State.WAIVED, changed_at=NOW - 30 * DAY,
            decision=Decision("ada@example.com", NOW - 30 * DAY, "The vendor raises them in June", "limits",
                              NOW + 10 * DAY)),
    finding("allowlist-deactivated", ("audit_log-20251123-77",), "office", "bo@example.com deactivated office",
            opened_at=NOW - DAY, actor=BO),
    finding("admin-key-created", ("audit_log-20251122-12",), "ci-admin", "bo@example.com created admin key ci-admin",
            opened_at=NOW - 2 * DAY, actor=BO),
    finding("login-failures", ("203.0.113.77", "audit_log-20251121-3"), "203.0.113.77",
            "14 failed logins within 10 minutes from 203.0.113.77", opened_at=NOW - 3 * DAY),
)  # fmt: skip
"""Active findings and occurrences."""

WAIVER = Waiver(
    id="limits",
    match=Matcher(policy=("project-without-rate-limit",)),
    reason="The vendor raises them in June",
    owner="ada@example.com",
    on=NOW - 30 * DAY,
    until=NOW + 10 * DAY,
    ticket="SEC-9",
    pinned=("model",),
)

RESOLVED: tuple[Finding, ...] = (
    finding("admin-key-unused", ("key_admin_4",), "old-terraform", "old-terraform: last used 71 days ago",
            state=State.RESOLVED, resolved_at=NOW - 3 * DAY, owner="chen@example.com"),
    finding("invite-owner-pending", ("invite_3",), "guest@example.net", "guest@example.net is invited as owner",
            state=State.RESOLVED, resolved_at=NOW - 5 * DAY),
)  # fmt: skip

_REFUSED = Gap(
    kind="certificate",
    scope=(),
    status=Status.REFUSED,
    reason="403 insufficient_permissions: missing scope api.certificates.read",
    hint="Give the admin key the scope api.certificates.read.",
)
_CUT = tuple(
    Gap("project_user", (f"proj_{number}",), Status.PARTIAL, "500 after 3 tries on page 4", "Try again later.")
    for number in range(7)
)

COVERAGE: tuple[Coverage, ...] = (
    Coverage("user", (), Status.COMPLETE, 1, 42, 0.31),
    Coverage("group", (), Status.COMPLETE, 1, 6, 0.12),
    Coverage("project", (), Status.COMPLETE, 1, 12, 0.15),
    Coverage("admin_api_key", (), Status.COMPLETE, 1, 3, 0.11),
    *(Coverage("project_api_key", (f"proj_{n}",), Status.COMPLETE, 1, 5 + n % 3, 0.14) for n in range(10)),
    *(Coverage("project_user", gap.scope, Status.PARTIAL, 3, 60, 1.9, gap=gap) for gap in _CUT),
    *(Coverage("project_rate_limit", (f"proj_{n}",), Status.COMPLETE, 1, 12, 0.1) for n in range(10)),
    Coverage("invite", (), Status.COMPLETE, 1, 5, 0.1, surprises={"unknown field: invited_via": 5}),
    Coverage("certificate", (), Status.REFUSED, 0, 0, 0.08, gap=_REFUSED),
    Coverage("ip_allowlist", (), Status.COMPLETE, 0, 1, 0.0),
)

UNKNOWNS: tuple[UnknownLine, ...] = (
    UnknownLine(
        policy="api-call-logging-disabled", level=Level.HIGH, kind="organization_settings", scope=(), name="",
        message="api_call_logging is not known", reason="no audit event has shown api_call_logging yet",
        hint="Record an attestation, or change the setting once so that an event shows it.",
    ),
    UnknownLine(
        policy="certificate-expiring", level=Level.MEDIUM, kind="certificate", scope=(), name="",
        message="certificate could not be read", reason=_REFUSED.reason, hint=_REFUSED.hint,
    ),
)  # fmt: skip

EVENTS: Mapping[str, int] = {
    "login.succeeded": 611, "api_key.created": 38, "login.failed": 31, "user.updated": 24, "project.updated": 19,
    "invite.sent": 9, "service_account.created": 6, "rate_limit.updated": 4, "user.added": 4, "logout.succeeded": 3,
    "ip_allowlist.config.deactivated": 1, "certificates.activated": 1, "scim.enabled": 1, "role.assigned": 1,
}  # fmt: skip


def lines(outcomes: Mapping[str, tuple[Outcome, int, int, int]]) -> tuple[PolicyLine, ...]:
    """The policy lines of a run."""
    return tuple(
        PolicyLine(name, POLICIES[name].title, POLICIES[name].level, outcome, passed, failed, unknown)
        for name, (outcome, passed, failed, unknown) in outcomes.items()
    )


def run(at: int, outcomes: Mapping[str, tuple[Outcome, int, int, int]] = OUTCOMES) -> Run:
    """A snapshot that ended at `at`."""
    said = [each[0] for each in outcomes.values()]
    return Run(
        id=f"run_{at}",
        organization=ORGANIZATION,
        kind="snapshot",
        started_at=at - 12,
        finished_at=at,
        resources=sum(line.items for line in COVERAGE),
        summary={outcome.value: said.count(outcome) for outcome in Outcome},
        policies=lines(outcomes),
        coverage=COVERAGE,
        unknowns=UNKNOWNS,
    )


def history() -> tuple[Run, ...]:
    """A week that begins well and loses the allowlist and an owner's group near its end."""
    good = Outcome.PASS, 1, 0, 0
    worse = dict(OUTCOMES)
    days: Sequence[tuple[int, dict[str, tuple[Outcome, int, int, int]]]] = [
        (7, {"ip-allowlist-missing": good, "owner-outside-groups": good, "admin-key-unused": (Outcome.FAIL, 2, 1, 0)}),
        (6, {"ip-allowlist-missing": good, "owner-outside-groups": good, "admin-key-unused": (Outcome.FAIL, 2, 1, 0)}),
        (5, {"ip-allowlist-missing": good, "owner-outside-groups": good, "admin-key-unused": (Outcome.FAIL, 2, 1, 0)}),
        (4, {"ip-allowlist-missing": good, "admin-key-unused": (Outcome.FAIL, 2, 1, 0)}),
        (3, {"ip-allowlist-missing": good}),
        (2, {"ip-allowlist-missing": good}),
        (1, {}),
        (0, {}),
    ]
    return tuple(run(NOW - back * DAY - 300, {**worse, **change}) for back, change in days)


def transitions() -> tuple[Transition, ...]:
    """What changed in the week: opened, reopened and resolved, oldest first."""
    opened = [
        Transition(each, None, Reason.DETECTED, each.opened_at)
        for each in FINDINGS
        if each.opened_at >= START and each.state is not State.REOPENED
    ]
    back = [
        Transition(each, State.RESOLVED, Reason.DETECTED_AGAIN, each.opened_at)
        for each in FINDINGS
        if each.state is State.REOPENED
    ]
    gone = [Transition(each, State.OPEN, Reason.COMPLIES, each.changed_at) for each in RESOLVED]
    return tuple(sorted((*opened, *back, *gone), key=lambda change: (change.at, change.finding.id)))


def _events() -> Iterator[StoredEvent]:
    days = {0: 88, 1: 131, 2: 142, 3: 120, 4: 139, 5: 44, 6: 62, 7: 27}
    types = [name for name, count in EVENTS.items() for _ in range(count)]
    number = 0
    for back, count in days.items():
        for each in range(count):
            at = START - START % DAY + back * DAY + (each * 61_000 // count if back else 30_000 + each * 500)
            yield _event(number, types[number * 7 % len(types)], min(at, NOW - 60))
            number += 1


def _event(number: int, kind: str, at: int) -> StoredEvent:
    person = number % len(_PEOPLE)
    body = {
        "id": f"audit_log-{number:05}",
        "type": kind,
        "effective_at": at,
        "actor": {
            "type": "session",
            "session": {
                "ip_address": f"203.0.113.{number % 250}",
                "user": {"id": f"user_{person}", "email": f"{_PEOPLE[person].split()[0].lower()}@example.com"},
            },
        },
        "project": {"id": f"proj_{number % 4}", "name": "Research"},
    }
    return StoredEvent(f"audit_log-{number:05}", kind, at, at + 9, Stream.ORGANIZATION, msgspec.json.encode(body))


def _messages() -> Iterator[tuple[Message, Progress]]:
    for number, change in enumerate(transitions()):
        found = change.finding
        alert = Alert(
            id=f"{found.id}-{change.at}",
            kind=AlertKind.OPENED,
            organization=ORGANIZATION,
            level=found.level,
            title=found.title,
            text=found.message,
            at=change.at,
        )
        state = (Progress.DELIVERED, Progress.DELIVERED, Progress.DELIVERED, Progress.PENDING, Progress.DEAD)[
            number % 5
        ]
        yield Message(alert.id, ORGANIZATION, "security", encode(alert), change.at, change.at), state


def fill(store: Store, extra: Sequence[Finding] = ()) -> None:
    """Write the week into a store, as the daemon would have; `extra` findings are added."""
    with store.transaction() as tx:
        organizations.mark_baseline(tx, ORGANIZATION, START - 30 * DAY)
        findings.save(tx, (*FINDINGS, *RESOLVED, *extra))
        waivers.note_file(tx, ORGANIZATION, [WAIVER], NOW - 30 * DAY)
        waivers.note_matches(tx, ORGANIZATION, {WAIVER.id: 1}, NOW - 300)
        voids = [Use(WAIVER.id, _limits(each).id, WAIVER.grant, {"model": "m"}, 1, 2, "model") for each in range(2)]
        waivers.save_uses(tx, ORGANIZATION, voids)
        for run in history():
            runs.add(tx, run)
        store_transitions.add(tx, transitions(), None)
        events.insert(tx, ORGANIZATION, list(_events()))
        watermarks.write(tx, ORGANIZATION, Stream.ORGANIZATION, Watermark(NOW - 40, NOW - 20, Status.COMPLETE, ""))
        refused = Watermark(NOW - 3 * DAY, NOW - 20, Status.REFUSED, "403 for tenant_only=true")
        watermarks.write(tx, ORGANIZATION, Stream.TENANT, refused)
        _deliver(tx)


def _deliver(tx: Transaction) -> None:
    states = dict(_messages())
    outbox.add(tx, list(states))
    fates = {message.id: state for message, state in states.items()}
    for leased in leases.lease(tx, ["security"], "sample", 60, 1000):
        if fates[leased.message.id] is Progress.DELIVERED:
            outbox.settle(tx, leased, {"ts": "1.1"})
        elif fates[leased.message.id] is Progress.DEAD:
            outbox.bury(tx, leased, "channel_not_found")
        else:
            outbox.postpone(tx, leased, 30, "503 from the other side")


def facts(store: Store) -> Facts:
    """The week as the report reads it."""
    with store.transaction() as tx:
        return read(tx, ORGANIZATION, START, NOW)
