"""What is counted between resources is counted of what was seen whole; where a gap may change it, it is Unknown."""

import pytest
from organization import KEY, NOW, served, small
from policyfiles import gap
from pydantic import SecretStr

from auditor.adminapi.client import AdminClient
from auditor.inventory.collect import collect
from auditor.inventory.derived import derive
from auditor.inventory.model import Collection, Gap, Record, Snapshot, Unknown
from auditor.inventory.relations import join
from auditor.inventory.schema import DERIVED, fields_of

DAY = 86_400


def derived(*records: Record, gaps: tuple[Gap, ...] = ()) -> dict[str, object]:
    """The fields of the first record, once everything is joined and counted."""
    kinds: dict[str, list[Record]] = {each.kind: [] for each in gaps}
    for each in records:
        kinds.setdefault(each.kind, []).append(each)
    collections = {
        kind: Collection(kind, tuple(found), tuple(each for each in gaps if each.kind == kind))
        for kind, found in kinds.items()
    }
    snapshot = derive(join(Snapshot("acme", NOW, collections)))
    return dict(snapshot.collection(records[0].kind).records[0].fields)


def api_key(name: str, age: int, owner: str = "svc_1", project: str = "proj_1", **more: object) -> Record:
    fields = {
        "name": name,
        "created_at": NOW - age * DAY,
        "owner.type": "service_account",
        "owner.service_account.id": owner,
    }
    return Record("project_api_key", (project, name), {**fields, **more})


def test_keys_of_one_owner_are_counted_within_their_project() -> None:
    old, middle, new = api_key("old", 30), api_key("middle", 20), api_key("new", 10)
    strangers = (api_key("other", 5, owner="svc_2"), api_key("elsewhere", 5, project="proj_2"))
    ended = api_key("ended", 1, expires_at=NOW - 1)
    assert derived(old, middle, new, *strangers, ended)["owner.newer_keys"] == 2
    assert derived(old, middle, new, *strangers, ended)["owner.next_key_at"] == NOW - 20 * DAY
    newest = derived(new, old, middle)
    assert newest["owner.newer_keys"] == 0
    assert "owner.next_key_at" not in newest


def test_a_certificate_lives_from_its_beginning_to_its_end() -> None:
    ends = {"valid_at": NOW, "expires_at": NOW + 398 * DAY}
    hidden = Unknown(why="the API did not send this field")
    lives = [
        derived(Record("certificate", ("cert_1",), {"name": "edge", **ends, **more})).get("lifetime_days")
        for more in ({}, {"valid_at": NOW + 1}, {"expires_at": None}, {"valid_at": hidden})
    ]
    assert lives == [398, 397, None, hidden]


def test_of_two_keys_of_one_second_one_is_newer() -> None:
    twins = (api_key("a", 10), api_key("b", 10))
    counts = [derived(one, other)["owner.newer_keys"] for one, other in (twins, twins[::-1])]
    assert counts == [1, 0]


def test_a_service_account_is_as_used_as_its_keys() -> None:
    account = Record("service_account", ("proj_1", "svc_1"), {"name": "ci"})
    keys = (api_key("a", 30, last_used_at=NOW - 9), api_key("b", 20, last_used_at=NOW - 5), api_key("c", 10))
    used = derived(account, *keys)
    assert (used["key_count"], used["key_last_used_at"], used["federated"]) == (3, NOW - 5, False)
    rule = Record("federation_rule", ("wip_1", "rule_1"), {"service_account_id": "svc_1", "enabled": True})
    alone = derived(account, rule)
    assert (alone["key_count"], alone["federated"]) == (0, True)
    hidden = Unknown(why="the API did not send this field")
    assert derived(account, api_key("a", 30, last_used_at=hidden))["key_last_used_at"] is hidden


def test_a_key_whose_owner_could_not_be_seen_may_be_anybody_s_in_its_project() -> None:
    account = Record("service_account", ("proj_1", "svc_1"), {"name": "ci"})
    hidden = Unknown(why="the API did not send this field")
    lost = Record("project_api_key", ("proj_1", "lost"), {"owner.type": hidden, "created_at": NOW})
    found = derived(account, lost, api_key("a", 30))
    assert isinstance(found["key_count"], Unknown)
    assert isinstance(found["key_last_used_at"], Unknown)
    assert isinstance(derived(api_key("a", 30), lost)["owner.newer_keys"], Unknown)
    elsewhere = Record("project_api_key", ("proj_2", "lost"), lost.fields)
    assert derived(account, elsewhere, api_key("a", 30))["key_count"] == 1


def test_a_project_shows_its_limits_and_how_many_own_it() -> None:
    project = Record("project", ("proj_1",), {"name": "shop"})
    below = (
        Record("project_user", ("proj_1", "user_1"), {"name": "Robin", "role": "owner"}),
        Record("project_user", ("proj_1", "user_2"), {"name": "Kim", "role": "member"}),
        Record("project_spend_limit", ("proj_1", "project_spend_limit"), {"threshold_amount": 500}),
        Record("project_model_permissions", ("proj_1", "project_model_permissions"), {"mode": "allow_list"}),
        Record("rate_limit", ("proj_1", "rl_1"), {"max_requests_per_1_minute": 60}),
        Record("rate_limit", ("proj_1", "rl_2"), {"max_requests_per_1_minute": 500}),
        Record("rate_limit", ("proj_2", "rl_3"), {"max_requests_per_1_minute": 9999}),
        Record("project_certificate", ("proj_1", "cert_1"), {"name": "edge", "active": True}),
        Record("project_certificate", ("proj_1", "cert_2"), {"name": "old", "active": False}),
    )
    fields = derived(project, *below)
    assert {name: fields[name] for name in DERIVED["project"]} == {
        "owner_count": 1,
        "spend_limit": 500,
        "model_mode": "allow_list",
        "highest_requests_per_1_minute": 500,
        "active_certificates": ["edge"],
    }
    assert derived(project).keys().isdisjoint({"spend_limit", "model_mode", "highest_requests_per_1_minute"})


def test_alerts_below_a_limit_are_those_of_the_same_scope() -> None:
    limit = Record("spend_limit", ("spend_limit",), {"threshold_amount": 1000})
    alerts = [Record("spend_alert", (f"a_{cents}",), {"threshold_amount": cents}) for cents in (500, 999, 1000)]
    project = Record("project_spend_limit", ("proj_1", "x"), {"threshold_amount": 1000})
    mine = Record("project_spend_alert", ("proj_1", "a"), {"threshold_amount": 1})
    other = Record("project_spend_alert", ("proj_2", "a"), {"threshold_amount": 1})
    assert derived(limit, *alerts)["alerts_below"] == 2
    assert derived(project, *alerts, mine, other)["alerts_below"] == 1
    hidden = (gap("spend_alert"),)
    assert derived(limit, *alerts, gaps=hidden)["alerts_below"] == 2
    assert isinstance(derived(limit, gaps=hidden)["alerts_below"], Unknown)


def test_a_role_is_held_by_people_and_groups_of_its_own_scope() -> None:
    people = (
        Record("user", ("user_1",), {"name": "Robin"}),
        Record("user_role", ("user_1", "role_1"), {"name": "helper"}),
        Record("group", ("group_1",), {"name": "platform"}),
        Record("group_role", ("group_1", "role_1"), {"name": "helper"}),
        Record("project_user_role", ("proj_1", "user_1", "role_2"), {"name": "builder"}),
    )
    assert derived(Record("role", ("role_1",), {}), *people)["holders"] == ["Robin", "platform"]
    assert derived(Record("project_role", ("proj_1", "role_2"), {}), *people)["holders"] == ["Robin"]
    assert derived(Record("project_role", ("proj_2", "role_2"), {}), *people)["holders"] == []


def test_a_group_knows_its_size() -> None:
    group = Record("group", ("group_1",), {"name": "platform"})
    assert derived(group, Record("group_member", ("group_1", "user_1"), {"name": "Robin"}))["member_count"] == 1


def test_scim_is_in_use_when_anybody_is_managed_by_it() -> None:
    user = Record("user", ("user_1",), {"is_scim_managed": False})
    managed = Record("group", ("group_1",), {"name": "platform", "is_scim_managed": True})
    assert derived(user)["scim_in_use"] is False
    assert derived(user, managed)["scim_in_use"] is True
    assert derived(user, managed, gaps=(gap("group"),))["scim_in_use"] is True
    assert isinstance(derived(user, gaps=(gap("group"),))["scim_in_use"], Unknown)


def test_groups_are_in_use_when_any_has_a_member() -> None:
    user, member = Record("user", ("user_1",), {}), Record("group_member", ("group_1", "user_2"), {"name": "Kim"})
    assert derived(user)["groups_in_use"] is False
    assert derived(user, member, gaps=(gap("group_member", "group_2"),))["groups_in_use"] is True
    assert isinstance(derived(user, gaps=(gap("group_member", "group_2"),))["groups_in_use"], Unknown)


def test_a_federation_rule_shows_what_it_matches_on() -> None:
    rule = Record("federation_rule", ("wip_1", "rule_1"), {"attribute_matchers": {"repository": "acme/shop"}})
    fields = derived(rule)
    assert (fields["matchers"], fields["matcher_count"]) == (["repository=acme/shop"], 1)
    hidden = Unknown(why="the API did not send this field")
    unseen = derived(Record("federation_rule", ("wip_1", "rule_1"), {"attribute_matchers": hidden}))
    assert (unseen["matchers"], unseen["matcher_count"]) == (hidden, hidden)


@pytest.mark.parametrize(
    ("record", "field", "hides"),
    [
        (api_key("a", 1), "owner.newer_keys", gap("project_api_key", "proj_1")),
        (api_key("a", 1), "owner.next_key_at", gap("project_api_key")),
        (Record("service_account", ("proj_1", "svc_1"), {}), "key_count", gap("project_api_key", "proj_1")),
        (Record("service_account", ("proj_1", "svc_1"), {}), "key_last_used_at", gap("project_api_key")),
        (Record("service_account", ("proj_1", "svc_1"), {}), "federated", gap("federation_rule", "wip_1")),
        (Record("project", ("proj_1",), {}), "spend_limit", gap("project_spend_limit", "proj_1")),
        (Record("project", ("proj_1",), {}), "model_mode", gap("project_model_permissions")),
        (Record("project", ("proj_1",), {}), "owner_count", gap("project_user", "proj_1")),
        (Record("project", ("proj_1",), {}), "active_certificates", gap("project_certificate", "proj_1")),
        (Record("project", ("proj_1",), {}), "highest_requests_per_1_minute", gap("rate_limit", "proj_1")),
        (Record("role", ("role_1",), {}), "holders", gap("user_role", "user_1")),
        (Record("role", ("role_1",), {}), "holders", gap("group_role", "group_1")),
        (Record("project_role", ("proj_1", "role_1"), {}), "holders", gap("project_user_role", "proj_1", "user_1")),
        (Record("group", ("group_1",), {}), "member_count", gap("group_member", "group_1")),
    ],
)
def test_behind_a_gap_nothing_is_counted(record: Record, field: str, hides: Gap) -> None:
    found = derived(record, gaps=(hides,))[field]
    assert isinstance(found, Unknown)
    assert hides in found.gaps


def test_a_gap_of_another_project_hides_nothing() -> None:
    project = Record("project", ("proj_1",), {"name": "shop"})
    assert derived(project, gaps=(gap("rate_limit", "proj_2"),)).get("highest_requests_per_1_minute") is None
    account = Record("service_account", ("proj_1", "svc_1"), {})
    assert derived(account, gaps=(gap("project_api_key", "proj_2"),))["key_count"] == 0


async def test_only_fields_that_policies_may_name_are_derived_from_a_whole_organization() -> None:
    with served(small()) as (address, _):
        async with AdminClient(SecretStr(KEY), base_url=address, requests_per_minute=100_000) as client:
            seen = join(await collect(client, "acme", NOW))
    found = derive(seen)
    for kind in DERIVED:
        before, after = seen.collection(kind).records, found.collection(kind).records
        assert after, kind
        for old, new in zip(before, after, strict=True):
            assert new.fields.keys() - old.fields.keys() <= DERIVED[kind].keys() <= fields_of(kind).keys()
            assert not any(isinstance(new.fields[name], Unknown) for name in new.fields.keys() - old.fields.keys())
