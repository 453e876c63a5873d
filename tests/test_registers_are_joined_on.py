"""What the operator's own files say becomes fields of resources and events; without a file it is unknown."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from audits import auditing, begin, opened
from organization import NOW, served, small
from policyfiles import gap

from auditor.inventory.calendar import Calendar
from auditor.inventory.model import Collection, Record, Snapshot, Unknown
from auditor.inventory.registers import register
from auditor.inventory.schema import REGISTERED, fields_of
from auditor.jobs.context import Audit
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.policy.load import load
from auditor.registers.table import NONE, Registers, Row
from auditor.simulator import auditlog
from auditor.store import findings
from auditor.store.database import Store
from auditor.terms import Outcome

DAY = 86_400
LEFT = NOW - DAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def joined(record: Record, registers: Registers, *others: Record) -> dict[str, object]:
    """The fields of a record after the join."""
    kinds: dict[str, tuple[Record, ...]] = {}
    for each in (record, *others):
        kinds[each.kind] = (*kinds.get(each.kind, ()), each)
    snapshot = Snapshot("acme", NOW, {kind: Collection(kind, records) for kind, records in kinds.items()})
    return dict(register(snapshot, registers).collection(record.kind).records[0].fields)


def registers(**rows: Row) -> Registers:
    return Registers({name: (row,) for name, row in rows.items()})


PROJECT = Record("project", ("proj_1",), {"name": "shop", "residency": "GLOBAL"})
LEAVERS = registers(leavers={"email": "robin@example.com", "left_at": LEFT})


@pytest.mark.parametrize("kind", REGISTERED)
def test_without_a_file_every_field_of_it_is_unknown_and_says_why(kind: str) -> None:
    ids = ("proj_1", "thing_1") if "project.id" in fields_of(kind) else ("thing_1",)
    fields = joined(Record(kind, ids, {"notification_channel.recipients": ["robin@example.com"]}), NONE)
    for name in REGISTERED[kind]:
        value = fields[name]
        assert isinstance(value, Unknown), name
        assert "auditor.yaml names no file under registers." in value.why
        assert value.gaps == ()


@pytest.mark.parametrize("kind", REGISTERED)
def test_only_fields_that_policies_may_name_are_joined_on(kind: str) -> None:
    everything = Registers(dict.fromkeys(("service_accounts", "leavers", "projects", "planned_changes"), ()))
    ids = ("proj_1", "thing_1") if "project.id" in fields_of(kind) else ("thing_1",)
    for known in (NONE, everything):
        assert set(joined(Record(kind, ids, {}), known)) <= set(fields_of(kind))


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (Record("user", ("user_1",), {"email": "Robin@Example.com"}), "leaver_since"),
        (Record("invite", ("invite_1",), {"email": "robin@example.com"}), "leaver_since"),
        (Record("group_member", ("group_1", "user_1"), {"email": "robin@example.com"}), "leaver_since"),
        (Record("project_user", ("proj_1", "user_1"), {"email": "robin@example.com"}), "leaver_since"),
        (Record("admin_api_key", ("key_1",), {"owner.email": "robin@example.com"}), "owner.leaver_since"),
        (Record("project_api_key", ("proj_1", "key_1"), {"owner.email": "robin@example.com"}), "owner.leaver_since"),
    ],
)
def test_a_leaver_is_known_by_the_mail_address(record: Record, field: str) -> None:
    assert joined(record, LEAVERS)[field] == LEFT
    stranger = Record(record.kind, record.ids, dict.fromkeys(record.fields, "kim@example.com"))
    assert field not in joined(stranger, LEAVERS)
    hidden = Unknown((gap(),))
    assert joined(Record(record.kind, record.ids, dict.fromkeys(record.fields, hidden)), LEAVERS)[field] is hidden


def test_recipients_of_alerts_who_left_are_named() -> None:
    recipients = ["team@example.com", "robin@example.com"]
    alert = Record("spend_alert", ("alert_1",), {"notification_channel.recipients": recipients})
    assert joined(alert, LEAVERS)["recipients_left"] == ["robin@example.com"]


def test_a_project_is_known_by_its_id_or_its_name() -> None:
    for key in ("proj_1", "shop"):
        row = {"project": key, "environment": "production", "groups": ("team",), "residencies": ("EU_STORAGE",)}
        known = registers(projects=row)
        fields = joined(PROJECT, known)
        assert fields["registered"] is True
        assert fields["registered.environment"] == "production"
        assert fields["residency_allowed"] is False
        key_fields = joined(Record("project_api_key", ("proj_1", "key_1"), {"owner.groups": ["x"]}), known, PROJECT)
        assert key_fields["project.registered"] is True
        assert key_fields["project.registered.groups"] == ["team"]
        assert key_fields["owner.in_registered_group"] is False
    other = joined(PROJECT, registers(projects={"project": "Shop"}))
    assert other["registered"] is False
    assert "residency_allowed" not in other


def test_groups_that_were_seen_in_part_prove_membership_and_nothing_else() -> None:
    known = registers(projects={"project": "proj_1", "groups": ("team",)})
    for seen, expected in ((("team",), True), (("other",), None)):
        hidden = Unknown((gap("group_member"),), seen)
        key = Record("project_api_key", ("proj_1", "key_1"), {"owner.groups": hidden})
        found = joined(key, known)["owner.in_registered_group"]
        assert found is (hidden if expected is None else expected)


def test_tools_that_are_on_and_not_registered_are_named() -> None:
    tools = {"mcp.enabled": True, "web_search.enabled": True, "file_search.enabled": False}
    record = Record("project_hosted_tool_permissions", ("proj_1", "x"), tools)
    assert joined(record, registers(projects={"project": "proj_1", "tools": ("mcp",)}))["unregistered_tools"] == [
        "web_search"
    ]
    nowhere = joined(record, registers(projects={"project": "proj_2"}))
    assert nowhere["unregistered_tools"] == ["mcp", "web_search"]


def test_a_service_account_is_known_by_id_or_name_and_by_its_project_where_the_row_names_one() -> None:
    account = Record("service_account", ("proj_1", "svc_1"), {"name": "ci"})
    for row, found in (
        ({"service_account": "svc_1"}, True),
        ({"service_account": "ci"}, True),
        ({"service_account": "ci", "project": "shop"}, True),
        ({"service_account": "ci", "project": "proj_1"}, True),
        ({"service_account": "ci", "project": "proj_2"}, False),
    ):
        assert joined(account, registers(service_accounts=row), PROJECT)["registered"] is found
    both = registers(
        service_accounts={"service_account": "ci", "owner": "robin@example.com"},
        leavers={"email": "robin@example.com", "left_at": LEFT},
    )
    assert joined(account, both)["registered.owner_leaver_since"] == LEFT


def event(kind: str, at: int = NOW, **fields: object) -> Record:
    return Record("audit_event", ("audit_log_1",), {"type": kind, "effective_at": at, **fields})


CHANGE = {"ticket": "CHG-1", "events": ("ip_allowlist.*", "scim.disabled"), "from": NOW, "until": NOW + 3600}


@pytest.mark.parametrize(
    ("seen", "planned"),
    [
        (event("ip_allowlist.config.deactivated"), True),
        (event("scim.disabled", NOW + 3600), True),
        (event("scim.disabled", NOW + 3601), False),
        (event("scim.disabled", NOW - 1), False),
        (event("scim.enabled"), False),
    ],
)
def test_a_planned_change_covers_types_within_its_time(seen: Record, planned: bool) -> None:
    fields = Calendar(registers(planned_changes=CHANGE), "UTC").dated(seen).fields
    assert fields["planned"] is planned
    assert fields.get("change.ticket") == ("CHG-1" if planned else None)


def test_a_plan_for_somebody_covers_nobody_else() -> None:
    calendar = Calendar(registers(planned_changes={**CHANGE, "actor": "Robin@example.com"}), "UTC")
    known = {"actor.email": "robin@example.com"}
    assert calendar.dated(Record("audit_event", ("a",), {**event("scim.disabled").fields, **known})).fields["planned"]
    assert calendar.dated(event("scim.disabled")).fields["planned"] is False


def test_a_freeze_plans_nothing() -> None:
    fields = (
        Calendar(registers(planned_changes={**CHANGE, "kind": "freeze"}), "UTC").dated(event("scim.disabled")).fields
    )
    assert (fields["planned"], fields["frozen"]) == (False, True)


def test_without_a_register_nothing_is_planned_or_unplanned_whatever_the_api_sends() -> None:
    lying = event("scim.disabled", planned=True, frozen=True)
    fields = Calendar(NONE, "Asia/Tokyo").dated(lying).fields
    assert "planned" not in fields
    assert "frozen" not in fields
    assert (fields["local.hour"], fields["local.weekday"]) == (9, "thursday")


async def test_policies_that_need_a_file_are_unknown_without_it_and_judge_with_it(store: Store) -> None:
    organization = small()
    leaver = next(each for each in organization.users.values() if each.email)
    begin(store)
    with served(organization) as (address, _):
        async with auditing(address, store) as plain:
            policies = load(["builtin:openai"], {}, {})
            audit = Audit("acme", plain.client, store, policies)
            before = await take(audit, await poll(audit, NOW), NOW)
            known = registers(leavers={"email": str(leaver.email).casefold(), "left_at": LEFT})
            audit = Audit("acme", plain.client, store, policies, registers=known)
            after = await take(audit, await poll(audit, NOW + 60), NOW + 60)
    outcomes = [{each.policy: each.outcome for each in taken.results} for taken in (before, after)]
    assert outcomes[0]["leaver-still-a-user"] is Outcome.UNKNOWN
    assert outcomes[1]["leaver-still-a-user"] is Outcome.FAIL
    with store.transaction() as tx:
        found = [each.ids for each in findings.active(tx, "acme").values() if each.policy == "leaver-still-a-user"]
    assert found == [(leaver.id,)]


async def test_an_event_that_was_planned_is_no_finding(store: Store) -> None:
    organization = small()
    begin(store)
    actor = auditlog.session(organization.owners[0], "192.0.2.1")
    plan = {"ticket": "CHG-1", "events": ("tunnel.created",), "from": NOW, "until": NOW + 50}
    with served(organization) as (address, _):
        async with auditing(address, store) as plain:
            audit = Audit("acme", plain.client, store, plain.policies, registers=registers(planned_changes=plan))
            await poll(audit, NOW)
            organization.log.record("tunnel.created", NOW + 10, actor, {"id": "tunnel_1"})
            organization.log.record("tunnel.created", NOW + 51, actor, {"id": "tunnel_2"})
            await poll(audit, NOW + 60)
    with store.transaction() as tx:
        active = findings.active(tx, "acme").values()
    assert len([each for each in active if each.policy == "tunnel-changed"]) == 1
