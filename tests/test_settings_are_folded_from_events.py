"""Settings without an endpoint: what events showed, and unknown where none did."""

from collections.abc import Mapping

from auditor.inventory.events import record_of
from auditor.inventory.model import Record, Snapshot, Unknown
from auditor.inventory.settings import fold, gap_of


def event(at: int, kind: str, payload: Mapping[str, object], number: int = 1) -> Record:
    return record_of({"id": f"event_{at}_{number}", "type": kind, "effective_at": at, kind: payload})


def folded(*events: Record, log_gap: bool = False) -> Snapshot:
    gap = gap_of("HTTP 403: no", "ask", refused=True) if log_gap else None
    return fold(Snapshot("acme", 1000, {}), events, gap)


CREATED = event(10, "ip_allowlist.created", {"id": "ip_1", "name": "office", "allowed_ips": ["192.0.2.0/24"]})
ACTIVATED = event(20, "ip_allowlist.config.activated", {"configs": [{"id": "ip_1", "name": "office"}]})
DEACTIVATED = event(30, "ip_allowlist.config.deactivated", {"configs": [{"id": "ip_1", "name": "office"}]})


def test_without_an_event_nothing_is_known_and_that_is_no_empty_list() -> None:
    lists = folded().collection("ip_allowlist")
    assert lists.unseen
    assert not lists.complete
    setting = folded().collection("organization_settings").records[0].fields["api_call_logging"]
    assert isinstance(setting, Unknown)


def test_an_allowlist_is_created_activated_and_deactivated() -> None:
    story = (((CREATED,), False), ((CREATED, ACTIVATED), True), ((CREATED, ACTIVATED, DEACTIVATED), False))
    for events, active in story:
        (record,) = folded(*events).collection("ip_allowlist").records
        assert record.fields["active"] is active
        assert record.fields["allowed_ips"] == ["192.0.2.0/24"]


def test_the_order_in_which_events_arrive_does_not_matter() -> None:
    assert folded(DEACTIVATED, CREATED, ACTIVATED) == folded(CREATED, ACTIVATED, DEACTIVATED)


def test_an_update_replaces_the_addresses_and_keeps_the_name() -> None:
    updated = event(40, "ip_allowlist.updated", {"id": "ip_1", "allowed_ips": ["198.51.100.0/24"]})
    (record,) = folded(CREATED, updated).collection("ip_allowlist").records
    assert record.fields["allowed_ips"] == ["198.51.100.0/24"]
    assert record.fields["name"] == "office"


def test_a_deleted_list_is_gone_but_lists_are_still_known_to_exist() -> None:
    collection = folded(CREATED, event(50, "ip_allowlist.deleted", {"id": "ip_1"})).collection("ip_allowlist")
    assert collection.records == ()
    assert collection.complete


def test_a_list_older_than_the_log_has_entries_that_nobody_saw() -> None:
    (record,) = folded(ACTIVATED).collection("ip_allowlist").records
    assert record.fields["active"] is True
    assert isinstance(record.fields["allowed_ips"], Unknown)


def test_the_last_event_that_names_a_setting_wins_and_others_leave_it() -> None:
    on = event(10, "organization.updated", {"id": "org", "changes_requested": {"api_call_logging": "enabled_per_call"}})
    off = event(20, "organization.updated", {"id": "org", "changes_requested": {"api_call_logging": "disabled"}})
    other = event(30, "organization.updated", {"id": "org", "changes_requested": {"title": "Acme"}})
    fields = folded(on, off, other).collection("organization_settings").records[0].fields
    assert fields["api_call_logging"] == "disabled"
    assert fields["title"] == "Acme"


def test_scim_follows_its_last_event() -> None:
    fields = folded(event(1, "scim.enabled", {"id": "x"}), event(2, "scim.disabled", {"id": "x"}))
    assert fields.collection("organization_settings").records[0].fields["scim_enabled"] is False


def test_a_log_that_cannot_be_read_now_makes_every_setting_unknown() -> None:
    snapshot = folded(CREATED, ACTIVATED, log_gap=True)
    assert not snapshot.collection("ip_allowlist").complete
    value = snapshot.collection("organization_settings").records[0].fields["title"]
    assert isinstance(value, Unknown)
    assert value.gaps[0].reason == "HTTP 403: no"


def test_a_hostile_payload_neither_crashes_nor_invents_a_list() -> None:
    odd = [
        event(1, "ip_allowlist.config.activated", {"configs": "all"}, 1),
        event(1, "ip_allowlist.config.activated", {"configs": [{"id": 3}, None, {}]}, 2),
        event(1, "ip_allowlist.created", {"id": None}, 3),
        record_of({"id": "e", "type": "ip_allowlist.created", "effective_at": "late", "ip_allowlist.created": []}),
    ]
    assert folded(*odd).collection("ip_allowlist").records == ()
