"""Relations between resources: roles with their source, who holds what, loose ends; and Unknown behind every gap."""

from collections.abc import Mapping

from organization import KEY, NOW, served, small
from pydantic import SecretStr

from auditor.adminapi.client import AdminClient
from auditor.inventory.collect import collect
from auditor.inventory.derived import derive
from auditor.inventory.model import Collection, Gap, Record, Snapshot, Unknown
from auditor.inventory.relations import join
from auditor.inventory.schema import KINDS, RELATIONS, fields_of
from auditor.simulator import access
from auditor.simulator.model import Grant, Organization
from auditor.terms import Status


def record(kind: str, *ids: str, **fields: object) -> Record:
    return Record(kind, ids, {"id": ids[-1], **{name.replace("__", "."): value for name, value in fields.items()}})


def role(kind: str, *ids: str, permissions: tuple[str, ...] = (), sources: object = ()) -> Record:
    told = [{"principal_id": each, "principal_type": "group"} for each in sources] if sources is not None else None  # type: ignore[attr-defined]
    return record(kind, *ids, name=ids[-1], permissions=list(permissions), assignment_sources=told)


WORLD = (
    record("user", "ada", email="Ada@example.com", name="Ada"),
    record("user", "bo", email="bo@example.com", name="Bo"),
    record("group", "g_1", name="Platform"),
    record("group_member", "g_1", "ada", name="Ada"),
    role("user_role", "ada", "reader", permissions=("a",)),
    role("user_role", "ada", "owner", permissions=("b",), sources=("g_1",)),
    role("group_role", "g_1", "owner", permissions=("b",)),
    record("project", "p_1", name="Web", status="active", external_key_id="ek_1"),
    record("project", "p_2", name="Old", status="archived"),
    record("project_user", "p_1", "ada", name="Ada", role="member"),
    record("project_user", "p_1", "bo", name="Bo", role="owner"),
    record("project_group", "p_1", "g_1", group_name="Platform"),
    role("project_user_role", "p_1", "ada", "member", permissions=("c",)),
    role("project_group_role", "p_1", "g_1", "owner", permissions=("d", "c")),
    record("service_account", "p_1", "sa_1", name="deploy"),
    record("service_account", "p_1", "sa_2", name="idle"),
    record("project_api_key", "p_1", "k_1", owner__type="user", owner__user__id="ada", last_used_at=5),
    record("project_api_key", "p_1", "k_2", owner__type="service_account", owner__service_account__id="sa_1",
           last_used_at=7),
    record("project_api_key", "p_1", "k_3", owner__type="service_account", owner__service_account__id="sa_1"),
    record("admin_api_key", "a_1", owner__id="ada", owner__type="user"),
    record("workload_identity_provider", "w_1", name="Builds", enabled=False),
    record("federation_rule", "w_1", "r_1", project_id="p_1", service_account_id="sa_1"),
    record("federation_rule", "w_1", "r_2", project_id="p_2", service_account_id="sa_9"),
    record("federation_rule", "w_1", "r_3", project_id="p_9", service_account_id="sa_1"),
    record("invite", "i_1", projects__id=["p_1", "p_9"]),
    record("external_key", "ek_1", name="Vault"),
    record("external_key", "ek_2", name="Loose"),
    record("external_storage", "es_1", project_id="p_1"),
    record("spend_alert", "s_1", notification_channel__recipients=["ADA@example.com", "eve@example.net"]),
)  # fmt: skip


def joined(*hidden: Gap, world: tuple[Record, ...] = WORLD) -> Mapping[tuple[str, ...], Mapping[str, object]]:
    """Fields of every record, by kind and ids."""
    collections = {}
    for kind in KINDS:
        mine = tuple(each for each in world if each.kind == kind)
        collections[kind] = Collection(kind, mine, tuple(gap for gap in hidden if gap.kind == kind))
    snapshot = join(Snapshot("acme", NOW, collections))
    return {(kind, *each.ids): each.fields for kind, some in snapshot.collections.items() for each in some.records}


def gap(kind: str, *scope: str) -> Gap:
    return Gap(kind, scope, Status.REFUSED, "HTTP 403")


def test_the_roles_of_a_person_come_with_their_source() -> None:
    ada = joined()["user", "ada"]
    assert (ada["roles"], ada["direct_roles"], ada["role_groups"]) == (["reader", "owner"], ["reader"], ["Platform"])
    assert (ada["projects"], ada["owned_projects"], ada["keys"], ada["admin_keys"]) == (["Web"], [], 1, 1)
    bo = joined()["user", "bo"]
    assert (bo["owned_projects"], bo["keys"], bo["direct_roles"]) == (["Web"], 0, [])


def test_a_role_whose_source_is_not_told_is_neither_direct_nor_through_a_group() -> None:
    silent = tuple(each for each in WORLD if each.ids != ("ada", "reader"))
    ada = joined(world=(*silent, role("user_role", "ada", "reader", sources=None)))["user", "ada"]
    assert isinstance(ada["direct_roles"], Unknown)
    assert isinstance(ada["role_groups"], Unknown)
    assert ada["role_groups"].known == ("Platform",)
    assert ada["roles"] == ["owner", "reader"]


def test_what_somebody_may_do_in_a_project_holds_what_groups_bring() -> None:
    found = joined()
    ada = found["project_user", "p_1", "ada"]
    assert (ada["roles"], ada["permissions"]) == (["member", "owner"], ["c", "d"])
    assert (ada["direct_roles"], ada["role_groups"]) == (["member"], ["Platform"])
    group = found["project_group", "p_1", "g_1"]
    assert (group["roles"], group["permissions"], group["members"]) == (["owner"], ["c", "d"], ["Ada"])
    assert found["group", "g_1"]["projects"] == ["Web"]


def test_a_project_is_owned_through_groups_too() -> None:
    web = joined()["project", "p_1"]
    assert (web["owners"], web["effective_owners"], web["groups"]) == (["Bo"], ["Ada", "Bo"], ["Platform"])
    assert web["keys"] == 3


def test_a_federation_rule_knows_whether_its_account_exists() -> None:
    found = joined()
    good, dead, lost = (found["federation_rule", "w_1", each] for each in ("r_1", "r_2", "r_3"))
    assert (good["service_account.exists"], good["service_account.name"], good["project.name"]) == (
        True,
        "deploy",
        "Web",
    )
    assert (dead["service_account.exists"], dead["project.status"]) == (False, "archived")
    assert lost["service_account.exists"] is False
    assert "project.name" not in lost
    assert (good["provider.name"], good["provider.enabled"]) == ("Builds", False)


def test_invites_keys_storage_and_alerts_lead_to_names() -> None:
    found = joined()
    assert found["invite", "i_1"]["projects.name"] == ["Web", "p_9"]
    assert found["external_key", "ek_1"]["projects"] == ["Web"]
    assert found["external_key", "ek_2"]["projects"] == []
    assert found["external_storage", "es_1"]["project.name"] == "Web"
    assert found["spend_alert", "s_1"]["outsiders"] == ["eve@example.net"]


HIDING: Mapping[str, list[tuple[str, ...]]] = {
    "user_role": [("user", "ada", "direct_roles"), ("user", "bo", "role_groups")],
    "group_member": [
        ("project_user", "p_1", "ada", "roles"),
        ("project_user", "p_1", "ada", "role_groups"),
        ("project_group", "p_1", "g_1", "members"),
        ("project", "p_1", "effective_owners"),
    ],
    "project_user_role": [("project_user", "p_1", "ada", "permissions")],
    "project_group_role": [("project_user", "p_1", "bo", "roles"), ("project", "p_1", "effective_owners")],
    "project_user": [("user", "ada", "projects"), ("project", "p_1", "effective_owners")],
    "project_group": [("group", "g_1", "projects"), ("project", "p_1", "groups")],
    "project_api_key": [("user", "bo", "keys"), ("project", "p_1", "keys")],
    "admin_api_key": [("user", "bo", "admin_keys")],
    "service_account": [("federation_rule", "w_1", "r_2", "service_account.exists")],
    "project": [("federation_rule", "w_1", "r_3", "project.name"), ("external_key", "ek_2", "projects")],
    "user": [("spend_alert", "s_1", "outsiders")],
}


def test_what_hangs_on_a_gap_is_unknown_and_tells_the_gap() -> None:
    for kind, hidden in HIDING.items():
        found = joined(gap(kind))
        for *where, field in hidden:
            value = found[tuple(where)][field]
            assert isinstance(value, Unknown), (kind, where, field)
            assert gap(kind) in value.gaps


def test_a_gap_in_one_project_leaves_others_as_they_are() -> None:
    found = joined(gap("project_api_key", "p_2"), gap("project_group_role", "p_2", "g_1"))
    assert found["project", "p_1"]["keys"] == 3
    assert found["project_user", "p_1", "ada"]["roles"] == ["member", "owner"]
    assert isinstance(found["user", "ada"]["keys"], Unknown)


def test_every_relation_that_is_documented_can_come_and_none_comes_that_is_not() -> None:
    seen: dict[str, set[str]] = {}
    for (kind, *_), fields in joined().items():
        seen.setdefault(kind, set()).update(fields)
        assert set(fields) <= {*fields_of(kind), "id"}, kind
    # These come with the folded settings, see there.
    folded = {"is_default", "scopes", "has_all_scopes", "scopes_since", "scopes_event", "requested_expires_at"}
    for kind in ("federation_rule", "invite", "external_key"):
        assert set(RELATIONS[kind]) - folded <= seen[kind], kind


def test_a_name_that_a_gap_hides_is_unknown_and_no_id_takes_its_place() -> None:
    assert isinstance(joined(gap("user"), world=_without("user"))["admin_api_key", "a_1"]["owner.email"], Unknown)
    nameless = joined(gap("group"), world=_without("group"))
    assert nameless["user", "ada"]["role_groups"] == Unknown((gap("group"),), ("g_1",))
    assert nameless["user", "ada"]["direct_roles"] == ["reader"]
    lost = joined(gap("service_account", "p_1"), world=_without("service_account"))
    assert isinstance(lost["federation_rule", "w_1", "r_1"]["service_account.name"], Unknown)
    invite = joined(gap("project"), world=_without("project"))["invite", "i_1"]
    assert invite["projects.name"] == Unknown((gap("project"),), ("p_1", "p_9"))


def test_who_owns_a_project_through_a_group_is_unknown_while_the_roles_of_that_group_are() -> None:
    found = joined(gap("project_group_role", "p_1", "g_1"), world=_without("project_group_role"))
    assert found["project", "p_1"]["effective_owners"] == Unknown((gap("project_group_role", "p_1", "g_1"),), ("Bo",))
    assert isinstance(found["project_user", "p_1", "ada"]["roles"], Unknown)
    assert found["project_user", "p_1", "bo"]["roles"] == []


def _without(kind: str) -> tuple[Record, ...]:
    return tuple(each for each in WORLD if each.kind != kind)


async def _collected(organization: Organization, *refused: str) -> Snapshot:
    with served(organization, refuse=refused) as (address, _):
        async with AdminClient(SecretStr(KEY), base_url=address, requests_per_minute=100_000) as client:
            return derive(join(await collect(client, "acme", NOW)))


async def test_a_refused_list_makes_no_field_say_something_else() -> None:
    organization = small()
    whole = await _collected(organization)
    before = {(kind, *each.ids): each for kind, some in whole.collections.items() for each in some.records}
    for refused in sorted({line.kind for line in whole.coverage if line.items}):
        seen = await _collected(organization, refused)
        assert seen.collection(refused).gaps
        changed = [
            (refused, record.kind, name)
            for some in seen.collections.values()
            for record in some.records
            for name, value in before[record.kind, *record.ids].fields.items()
            if not isinstance(record.fields.get(name), Unknown) and record.fields.get(name) != value
        ]
        assert changed == []


async def test_relations_of_a_served_organization_are_those_that_it_has() -> None:
    organization: Organization = small()
    project = organization.active_projects[0]
    group = next(each for each in organization.groups.values() if each.members)
    owner = access.project_role(project.id, "owner")
    project.group_grants.setdefault(group.record.id, []).append(Grant(owner, NOW, organization.owners[0].id))
    snapshot = await _collected(organization)
    users = {each.id: each.fields for each in snapshot.collection("user").records}
    for user in organization.users.values():
        told = access.of_user(organization, user)
        assert users[user.id]["direct_roles"] == sorted({each.name for each in told if not each.assignment_sources})
    projects = {each.id: each.fields for each in snapshot.collection("project").records}
    for one in organization.active_projects:
        assert projects[one.id]["keys"] == len(one.api_keys)
    there = {each.ids: each.fields for each in snapshot.collection("project_user").records}
    for member in project.users:
        assert ("owner" in there[project.id, member]["roles"]) >= (member in group.members)  # type: ignore[operator]
