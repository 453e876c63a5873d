"""Settings without an endpoint: what events showed, and unknown where none did."""

from collections.abc import Mapping, Sequence

import pytest
from folding import REFUSED, event, folded, proven, setting, value
from hypothesis import given
from hypothesis import strategies as st

from auditor.inventory.events import record_of
from auditor.inventory.model import Collection, Record, Snapshot, Unknown
from auditor.inventory.settings import EVENT_TYPES
from auditor.inventory.settingtypes import SETTING_TYPES

CREATED = event(10, "ip_allowlist.created", {"id": "ip_1", "name": "office", "allowed_ips": ["192.0.2.0/24"]})
ACTIVATED = event(20, "ip_allowlist.config.activated", {"configs": [{"id": "ip_1", "name": "office"}]})
DEACTIVATED = event(30, "ip_allowlist.config.deactivated", {"configs": [{"id": "ip_1", "name": "office"}]})
PERSON = {"type": "session", "session": {"user": {"id": "user_1", "email": "ada@example.com"}}}
PROGRAM = {"type": "api_key", "api_key": {"id": "key_1", "type": "service_account", "service_account": {"id": "sa_1"}}}


def changed(at: int, number: int = 1, **changes: object) -> Record:
    return event(at, "organization.updated", {"id": "org_1", "changes_requested": changes}, number)


def lists(*events: Record) -> tuple[Record, ...]:
    return folded(*events).collection("ip_allowlist").records


def keys(*ids: str, kind: str = "project_api_key") -> Snapshot:
    records = tuple(Record(kind, ("project_1", each), {"id": each}) for each in ids)
    return Snapshot("acme", 1000, {kind: Collection(kind, records)})


def test_without_an_event_nothing_is_known_and_that_is_no_empty_list() -> None:
    empty = folded().collection("ip_allowlist")
    assert empty.unseen
    assert not empty.complete
    for name in SETTING_TYPES.keys() - {"audit_logging"}:
        assert isinstance(value(folded(), name), Unknown), name
        assert setting(folded(), name)["source"] == "unknown"
        assert setting(folded(), name)["why"]


def test_an_allowlist_is_created_activated_and_deactivated() -> None:
    story = (((CREATED,), False), ((CREATED, ACTIVATED), True), ((CREATED, ACTIVATED, DEACTIVATED), False))
    for events, active in story:
        (record,) = lists(*events)
        assert record.fields["active"] is active
        assert record.fields["allowed_ips"] == ["192.0.2.0/24"]
        assert value(folded(*events), "ip_allowlist_active") is active


def test_an_update_replaces_the_addresses_and_keeps_the_name() -> None:
    updated = event(40, "ip_allowlist.updated", {"id": "ip_1", "allowed_ips": ["198.51.100.0/24"]})
    (record,) = lists(CREATED, updated)
    assert record.fields["allowed_ips"] == ["198.51.100.0/24"]
    assert record.fields["name"] == "office"


def test_a_deleted_list_is_gone_but_lists_are_still_known_to_exist() -> None:
    collection = folded(CREATED, event(50, "ip_allowlist.deleted", {"id": "ip_1"})).collection("ip_allowlist")
    assert collection.records == ()
    assert collection.complete


def test_a_list_older_than_the_log_has_entries_that_nobody_saw() -> None:
    (record,) = lists(ACTIVATED)
    assert record.fields["active"] is True
    assert isinstance(record.fields["allowed_ips"], Unknown)


def test_a_list_is_of_the_project_that_its_event_names_unless_an_admin_key_acted() -> None:
    project = {"id": "proj_1", "name": "web"}
    payload = {"id": "ip_1", "name": "office", "allowed_ips": ["192.0.2.0/24"]}
    for more, scope, where in (
        ({"actor": PERSON}, "organization", None),
        ({"actor": PERSON, "project": project}, "project", "proj_1"),
    ):
        (record,) = lists(event(10, "ip_allowlist.created", payload, **more))
        assert (record.fields["scope"], record.fields.get("project_id")) == (scope, where)
    (record,) = lists(event(10, "ip_allowlist.created", payload, actor=PROGRAM, project=project))
    assert isinstance(record.fields["scope"], Unknown)
    assert isinstance(record.fields["project_id"], Unknown)


def test_the_last_event_that_names_a_setting_wins_and_others_leave_it() -> None:
    snapshot = folded(
        changed(10, api_call_logging="enabled_per_call"),
        changed(20, api_call_logging="disabled", api_call_logging_project_ids="proj_1"),
        changed(30, title="Acme"),
    )
    assert value(snapshot, "api_call_logging") == "disabled"
    assert value(snapshot, "api_call_logging_project_ids") == ["proj_1"]
    assert value(snapshot, "title") == "Acme"
    assert value(snapshot, "organization_id") == "org_1"
    told = setting(snapshot, "api_call_logging")
    assert (told["value"], told["source"], told["since"], told["event"]) == ("disabled", "observed", 20, "event_20_1")


def test_scim_follows_its_last_event() -> None:
    snapshot = folded(event(1, "scim.enabled", {"id": "x"}), event(2, "scim.disabled", {"id": "x"}))
    assert value(snapshot, "scim_enabled") is False


def test_a_connection_for_sign_on_is_known_to_be_there_and_never_known_to_be_the_last_one() -> None:
    made = event(1, "tenant.sso_connection.created", {"id": "sso_1"})
    gone = event(2, "tenant.sso_connection.deleted", {"id": "sso_1"})
    other = event(3, "tenant.sso_connection.updated", {"id": "sso_2"})
    assert value(folded(made), "sso_connected") is True
    assert isinstance(value(folded(made, gone), "sso_connected"), Unknown)
    assert value(folded(made, gone, other), "sso_connected") is True


def test_the_default_project_is_the_one_that_events_of_admin_keys_carry() -> None:
    project = {"id": "proj_0", "name": "Default project"}
    by_program = event(5, "service_account.created", {"id": "sa_2"}, actor=PROGRAM, project=project)
    admin = keys("key_1", kind="admin_api_key")
    assert value(folded(by_program, snapshot=admin), "default_project_id") == "proj_0"
    assert value(folded(by_program, snapshot=admin), "default_project_name") == "Default project"
    by_person = event(6, "service_account.created", {"id": "sa_2"}, actor=PERSON, project=project)
    for events, snapshot in (((by_person,), admin), ((by_program,), keys("key_2", kind="admin_api_key"))):
        assert isinstance(value(folded(*events, snapshot=snapshot), "default_project_id"), Unknown)


@pytest.mark.parametrize("kind", ["project_api_key", "admin_api_key"])
def test_what_a_key_may_do_is_what_its_last_event_says_and_an_empty_list_means_all(kind: str) -> None:
    events = (
        event(1, "api_key.created", {"id": "key_1", "data": {"scopes": ["b", "a"]}}),
        event(1, "api_key.created", {"id": "key_2", "data": {"scopes": ["a"]}}, 2),
        event(5, "api_key.updated", {"id": "key_2", "changes_requested": {"scopes": [], "expires_in_seconds": 60}}),
        event(2, "api_key.updated", {"id": "key_3", "data": {"scopes": ["c"]}}),
    )
    found = folded(*events, snapshot=keys("key_1", "key_2", "key_3", "key_4", kind=kind)).collection(kind).records
    one, two, three, four = (record.fields for record in found)
    assert (one["scopes"], one["has_all_scopes"], one["scopes_since"]) == (["a", "b"], False, 1)
    assert (two["scopes"], two["has_all_scopes"], two["scopes_event"]) == ([], True, "event_5_1")
    assert two["requested_expires_at"] == 65
    assert three["scopes"] == ["c"]
    assert isinstance(four["scopes"], Unknown)
    assert isinstance(four["has_all_scopes"], Unknown)


def test_a_role_is_bound_until_it_is_unbound_or_deleted() -> None:
    body = {"id": "b", "role_id": "role_1", "resource_id": "res_1", "permissions": ["x"], "connector_name": "Mail"}
    bound = event(1, "role.bound_to_resource", body)
    (record,) = folded(bound).collection("role_binding").records
    assert (record.fields["enabled"], record.fields["permissions"]) == (True, ["x"])
    unbound = event(2, "role.unbound_from_resource", {"role_id": "role_1", "resource_id": "res_1"})
    (record,) = folded(bound, unbound).collection("role_binding").records
    assert (record.fields["enabled"], record.fields["permissions"]) == (False, [])
    assert folded(bound, event(3, "role.deleted", {"id": "role_1"})).collection("role_binding").records == ()


def test_a_log_that_cannot_be_read_now_makes_every_setting_unknown() -> None:
    snapshot = folded(CREATED, ACTIVATED, changed(20, title="Acme"), logs=REFUSED)
    assert not snapshot.collection("ip_allowlist").complete
    (record,) = snapshot.collection("ip_allowlist").records
    assert isinstance(record.fields["active"], Unknown)
    hidden = value(snapshot, "title")
    assert isinstance(hidden, Unknown)
    assert hidden.gaps[0].reason == "HTTP 403: no"
    assert "it was Acme once" in hidden.why


def test_a_hole_in_what_was_read_hides_what_is_older_and_nothing_newer() -> None:
    old, new = changed(10, title="Acme"), changed(60, description="who we are")
    bound = event(10, "api_key.created", {"id": "key_1", "data": {"scopes": ["a"]}})
    snapshot = folded(old, new, CREATED, bound, logs=proven((0, 40), (50, 1000)), snapshot=keys("key_1"))
    assert isinstance(value(snapshot, "title"), Unknown)
    assert "1970-01-01 00:00:40 UTC to 1970-01-01 00:00:50 UTC" in str(setting(snapshot, "title")["why"])
    assert value(snapshot, "description") == "who we are"
    assert not snapshot.collection("ip_allowlist").complete
    assert isinstance(snapshot.collection("ip_allowlist").records[0].fields["active"], Unknown)
    assert isinstance(snapshot.collection("project_api_key").records[0].fields["scopes"], Unknown)


def test_two_changes_of_one_second_that_differ_are_no_answer() -> None:
    assert isinstance(value(folded(changed(5, title="A"), changed(5, 2, title="B")), "title"), Unknown)
    torn = setting(folded(changed(5, title="A"), changed(5, 2, title="B")), "title")
    assert "twice within one second" in str(torn["why"])
    assert (torn["source"], torn["since"]) == ("unknown", 5)
    assert value(folded(changed(5, title="A"), changed(5, 2, title="A")), "title") == "A"
    assert value(folded(changed(5, title="A"), changed(5, 2, title="B"), changed(6, title="C")), "title") == "C"


def test_a_hostile_payload_neither_crashes_nor_invents_a_list() -> None:
    odd = [
        event(1, "ip_allowlist.config.activated", {"configs": "all"}, 1),
        event(1, "ip_allowlist.config.activated", {"configs": [{"id": 3}, None, {}]}, 2),
        event(1, "ip_allowlist.created", {"id": None}, 3),
        event(1, "api_key.updated", {"id": "key_1", "changes_requested": {"expires_in_seconds": 1 << 80}}, 4),
        event(1, "api_key.created", {"id": "key_1", "data": {"scopes": {"a": 1}}}, 5),
        event(1, "role.bound_to_resource", {"role_id": [], "resource_id": {}}, 6),
        event(1, "organization.updated", {"id": 7, "changes_requested": [{"title": "x"}]}, 7),
        record_of({"id": "e", "type": "ip_allowlist.created", "effective_at": "late", "ip_allowlist.created": []}),
    ]
    snapshot = folded(*odd, snapshot=keys("key_1"))
    assert snapshot.collection("ip_allowlist").records == ()
    assert snapshot.collection("role_binding").records == ()
    (key,) = snapshot.collection("project_api_key").records
    assert isinstance(key.fields["scopes"], Unknown)
    assert "requested_expires_at" not in key.fields


def payloads() -> Mapping[str, Sequence[Mapping[str, object]]]:
    """Few ids and few values, so that changes of one thing meet."""
    some: list[Mapping[str, object]] = [
        {
            "id": key,
            "name": key,
            "allowed_ips": [f"192.0.2.{last}"],
            "configs": [{"id": key, "name": key}],
            "changes_requested": {"title": f"title {last}", "scopes": ["a"] * last, "expires_in_seconds": last},
            "data": {"scopes": ["b"] * last},
            "role_id": key,
            "resource_id": "res_1",
            "enabled": last == 1,
        }
        for key in ("one", "two")
        for last in (0, 1)
    ]
    return dict.fromkeys(EVENT_TYPES, some)


HISTORIES = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(EVENT_TYPES), st.integers(0, 3)), max_size=25).map(
    lambda drawn: [event(at, kind, payloads()[kind][pick], n) for n, (at, kind, pick) in enumerate(drawn)]
)


@given(HISTORIES, st.randoms(use_true_random=False))
def test_the_order_in_which_events_arrive_does_not_matter(history: list[Record], luck: object) -> None:
    snapshot = keys("one", "two")
    late = list(history)
    luck.shuffle(late)  # type: ignore[attr-defined]
    assert folded(*late, snapshot=snapshot) == folded(*history, snapshot=snapshot)


@given(HISTORIES)
def test_no_event_of_a_second_that_another_contradicts_decides(history: list[Record]) -> None:
    titles = [each for each in history if each.fields["type"] == "organization.updated"]
    last = max((int(str(each.fields["effective_at"])) for each in titles), default=None)
    said = {each.fields["payload.changes_requested.title"] for each in titles if each.fields["effective_at"] == last}
    shown = value(folded(*history), "title")
    if len(said) == 1:
        assert shown in said
    else:
        assert isinstance(shown, Unknown)


@given(HISTORIES, st.integers(1, 6), st.integers(1, 6))
def test_nothing_older_than_a_hole_is_told_as_certain(history: list[Record], at: int, wide: int) -> None:
    snapshot = folded(*history, logs=proven((0, at), (at + wide, 1000)))
    for record in snapshot.collection("setting").records:
        if record.fields["source"] == "observed" and record.id not in {"audit_logging", "ip_allowlist_active"}:
            assert int(str(record.fields["since"])) >= at + wide
    for record in snapshot.collection("ip_allowlist").records:
        if int(str(record.fields["seen_at"])) < at + wide:
            assert isinstance(record.fields["active"], Unknown)
