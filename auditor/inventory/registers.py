"""What the operator's own files say of a resource or an event, joined on as fields. Pure."""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from functools import cache

from auditor.inventory.model import Record, Snapshot, Unknown, enriched
from auditor.inventory.schema import REGISTERED, ancestors
from auditor.registers.table import Registers, Row

Said = Mapping[str, object]

_SERVICE_ACCOUNTS, _LEAVERS, _PROJECTS = "service_accounts", "leavers", "projects"


def register(snapshot: Snapshot, registers: Registers, kinds: Container[str] | None = None) -> Snapshot:
    """The joined snapshot with the fields of `schema.REGISTERED` on every record, or on those of some `kinds` alone.

    Those of a file that is not named are Unknown.
    """
    index = _Index(snapshot, registers)
    collections = {
        kind: replace(collection, records=tuple(_registered(kind, collection.records, index)))
        if kinds is None or kind in kinds
        else collection
        for kind, collection in snapshot.collections.items()
    }
    return replace(snapshot, collections=collections)


def _registered(kind: str, records: Iterable[Record], index: "_Index") -> Iterable[Record]:
    """The records of one kind, with what is said of each and of its project."""
    below, say = "project" in ancestors(kind), _SAY.get(kind)
    if not below and say is None:
        return records
    return (_with(record, index.above(record.ids[0]) if below else {}, say, index) for record in records)


def _with(record: Record, above: Said, say: "_Say | None", index: "_Index") -> Record:
    own = {name: value for name, value in say(record, index).items() if value is not None} if say else {}
    return enriched(record, {**above, **own})


class _Index:
    """The rows of the registers, by what they are about."""

    def __init__(self, snapshot: Snapshot, registers: Registers) -> None:
        self._registers = registers
        self._projects = {record.id: record for record in snapshot.collection("project").records}
        self._left = {row["email"]: row["left_at"] for row in self.rows(_LEAVERS)}
        self._rows = {row["project"]: row for row in self.rows(_PROJECTS)}
        self._said: dict[str, Said] = {}
        self._above: dict[str, Said] = {}
        self._accounts = {(row["service_account"], row.get("project")): row for row in self.rows(_SERVICE_ACCOUNTS)}

    def rows(self, name: str) -> tuple[Row, ...]:
        return self._registers.get(name) or ()

    def missing(self, name: str) -> Unknown | None:
        """What every field of a register is that auditor.yaml does not name."""
        return None if self._registers.get(name) is not None else _missing(name)

    def left(self, address: object) -> object:
        """Since when the owner of a mail address has left, None for nobody who did."""
        unsure = self.missing(_LEAVERS)
        if unsure or isinstance(address, Unknown):
            return unsure or address
        return self._left.get(address.casefold()) if isinstance(address, str) else None

    def row_of_project(self, project: str) -> Row | None:
        record = self._projects.get(project)
        return self._rows.get(project) or (self._rows.get(record.name) if record else None)

    def project(self, project: str) -> Said:
        """`registered` and what the register says of a project."""
        if project not in self._said:
            unsure = self.missing(_PROJECTS)
            row = self.row_of_project(project)
            known = {"registered": row is not None, **_columns(row, _PROJECT_FIELDS)}
            self._said[project] = dict.fromkeys(_PROJECT_FIELDS, unsure) if unsure else known
        return self._said[project]

    def above(self, project: str) -> Said:
        """What the register says of a project, as fields of what is below it."""
        if project not in self._above:
            said = self.project(project).items()
            self._above[project] = {f"project.{name}": value for name, value in said if value is not None}
        return self._above[project]

    def account(self, record: Record) -> Row | None:
        """The row of a service account, by its id or name, and its project's where the row names one."""
        project = self._projects.get(record.ids[0])
        places = (record.ids[0], project.name if project else None, None)
        keys = [(account, place) for account in (record.id, record.name) for place in places]
        return next((self._accounts[key] for key in keys if key in self._accounts), None)


@cache
def _missing(name: str) -> Unknown:
    return Unknown(why=f"auditor.yaml names no file under registers.{name}")


_PROJECT_FIELDS = tuple(name for name in REGISTERED["project"] if name.startswith("registered"))


_Say = Callable[[Record, _Index], Said]


def _columns(row: Row | None, fields: Iterable[str]) -> Said:
    """The columns that are fields as they stand; lists as a record holds them."""
    values = {name: (row or {}).get(name.removeprefix("registered.")) for name in fields if "." in name}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _person(field: str) -> _Say:
    """`leaver_since` beside the mail address in `field`."""
    name = f"{field.removesuffix('email')}leaver_since"
    return lambda record, index: {name: index.left(record.fields.get(field))}


def _recipients(record: Record, index: _Index) -> Said:
    found = record.fields.get("notification_channel.recipients")
    unsure = index.missing(_LEAVERS) or (found if isinstance(found, Unknown) else None)
    if unsure:
        return {"recipients_left": unsure}
    return {"recipients_left": [each for each in found if index.left(each)] if isinstance(found, list) else []}


def _service_account(record: Record, index: _Index) -> Said:
    fields = [name for name in REGISTERED["service_account"] if name.startswith("registered")]
    unsure = index.missing(_SERVICE_ACCOUNTS)
    if unsure:
        return dict.fromkeys(fields, unsure)
    row = index.account(record)
    said = {**_columns(row, fields), "registered": row is not None}
    return {**said, "registered.owner_leaver_since": index.left(said.get("registered.owner"))}


def _project(record: Record, index: _Index) -> Said:
    said = index.project(record.id)
    allowed, residency = said.get("registered.residencies"), record.fields.get("residency")
    return {**said, "residency_allowed": _among(residency, allowed)}


def _among(value: object, allowed: object) -> object:
    """Whether a value is one of a list; None where either is not there to be compared."""
    unsure = next((each for each in (allowed, value) if isinstance(each, Unknown)), None)
    if unsure or not isinstance(allowed, list) or value is None:
        return unsure
    return value in allowed


def _project_key(record: Record, index: _Index) -> Said:
    """Whether the person who holds a key is in one of the groups that the project is for."""
    allowed = index.project(record.ids[0]).get("registered.groups")
    groups = record.fields.get("owner.groups")
    return {
        "owner.leaver_since": index.left(record.fields.get("owner.email")),
        "owner.in_registered_group": _overlap(groups, allowed),
    }


def _overlap(groups: object, allowed: object) -> object:
    if isinstance(allowed, Unknown) or not isinstance(allowed, list):
        return allowed if isinstance(allowed, Unknown) else None
    seen = groups.known if isinstance(groups, Unknown) else groups if isinstance(groups, list) else ()
    if any(group in allowed for group in seen):
        return True
    return groups if isinstance(groups, Unknown) else False if isinstance(groups, list) else None


def _tools(record: Record, index: _Index) -> Said:
    """The hosted tools that are on, and that the register does not list for the project."""
    row = index.project(record.ids[0])
    unsure = row["registered"] if isinstance(row["registered"], Unknown) else None
    if unsure:
        return {"unregistered_tools": unsure}
    listed = row.get("registered.tools")
    allowed = listed if isinstance(listed, list) else []
    tools = {name: record.fields.get(f"{name}.enabled") for name in _TOOLS}
    on = tuple(name for name, enabled in tools.items() if enabled is True and name not in allowed)
    hidden = next((each for each in tools.values() if isinstance(each, Unknown)), None)
    return {"unregistered_tools": Unknown(hidden.gaps, on, hidden.why) if hidden else list(on)}


_TOOLS = ("code_interpreter", "file_search", "image_generation", "mcp", "web_search")

_SAY: Mapping[str, _Say] = {
    "user": _person("email"),
    "invite": _person("email"),
    "group_member": _person("email"),
    "project_user": _person("email"),
    "admin_api_key": _person("owner.email"),
    "project_api_key": _project_key,
    "spend_alert": _recipients,
    "project_spend_alert": _recipients,
    "service_account": _service_account,
    "project": _project,
    "project_hosted_tool_permissions": _tools,
}
