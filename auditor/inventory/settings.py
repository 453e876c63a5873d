"""Settings that no endpoint shows: folded from audit events, or attested by a person. Without either they are unknown.

No event yet means unknown, never off and never a pass; and what an event showed holds only while the log was read
without a hole ever since.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from auditor.inventory import allowlists, auditlog, bindings, keyscopes, organizationsettings
from auditor.inventory.allowlists import Allowlists
from auditor.inventory.attestations import Attestation
from auditor.inventory.bindings import Bindings
from auditor.inventory.claims import Claim
from auditor.inventory.keyscopes import KeyScopes
from auditor.inventory.model import Collection, Record, Snapshot, Unknown
from auditor.inventory.organizationsettings import OrganizationSettings
from auditor.inventory.resolve import Case, Observed, Setting, observe, resolve
from auditor.inventory.schema import AUDIT_LOG, IP_ALLOWLIST, ROLE_BINDING, SETTING, SETTINGS
from auditor.inventory.settingtypes import SETTING_TYPES, Source
from auditor.inventory.streams import Log
from auditor.terms import Stream

EVENT_TYPES: tuple[str, ...] = tuple(
    dict.fromkeys(
        (*allowlists.EVENT_TYPES, *organizationsettings.EVENT_TYPES, *keyscopes.EVENT_TYPES, *bindings.EVENT_TYPES)
    )
)
"""The events that `fold` needs; of others it learns which project is the default one, and nothing else."""

Logs = Mapping[Stream, Log]

_SSO_GONE = "an SSO connection was deleted, and no event shows whether another one is left"
_SSO_TORN = "an SSO connection was changed and deleted within one second"


def fold(
    snapshot: Snapshot, events: Iterable[Record], logs: Logs, attestations: Sequence[Attestation] = ()
) -> Snapshot:
    """The snapshot with the kinds that events show, each setting as they left it, and the scopes of keys.

    `events` are records in any order, looked at once each; `logs` says what was read of each stream; one that is
    missing was not read. `attestations` are those that hold for this organization.
    """
    logs = {stream: logs.get(stream) or Log(stream) for stream in Stream}
    folding = _Folding(snapshot)
    for event in events:
        folding.take(event)
    return folding.result(logs, attestations)


class _Folding:
    """What all events together say."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        keys = frozenset(record.id for record in snapshot.collection("admin_api_key").records)
        self._organization = OrganizationSettings(keys)
        self._allowlists = Allowlists()
        self._scopes = KeyScopes()
        self._bindings = Bindings()

    def take(self, event: Record) -> None:
        """One more event."""
        for each in (self._organization, self._allowlists, self._scopes, self._bindings):
            each.take(event)

    def result(self, logs: Logs, attestations: Sequence[Attestation]) -> Snapshot:
        """The snapshot with all that was learnt."""
        lists = self._allowlists.collection(logs[Stream.ORGANIZATION])
        settings = [self._setting(name, lists, logs, attestations) for name in SETTING_TYPES]
        values = {each.name: each.value for each in settings}
        vouched = next(each for each in settings if each.name == "ip_allowlist_active")
        folded = {
            IP_ALLOWLIST: _vouched(lists, vouched),
            SETTINGS: Collection(SETTINGS, (Record(SETTINGS, ("organization",), {"id": "organization"} | values),)),
            SETTING: Collection(SETTING, tuple(each.record for each in settings)),
            ROLE_BINDING: self._bindings.collection(logs[Stream.TENANT], self._snapshot),
            AUDIT_LOG: auditlog.collection(logs.values(), self._snapshot.taken_at),
        }
        before = self._snapshot.collections
        keys = {
            kind: self._scopes.join(before[kind], logs[Stream.ORGANIZATION])
            for kind in keyscopes.KINDS
            if kind in before
        }
        projects = {"project": _marked(before["project"], values["default_project_id"])} if "project" in before else {}
        return replace(self._snapshot, collections={**before, **keys, **projects, **folded})

    def _setting(self, name: str, lists: Collection, logs: Logs, attestations: Sequence[Attestation]) -> Setting:
        claims: Sequence[Claim] = self._organization.claims.get(name, ())
        stream = SETTING_TYPES[name].stream
        if name == "ip_allowlist_active":
            claims, observed = self._allowlists.switches, _in_force(lists)
        elif name == "sso_connected":
            observed = self._connected(logs[Stream.TENANT])
        elif name == "audit_logging":
            observed = _logging(logs)
        else:
            observed = observe(claims, logs[stream]) if stream else Observed()
        mine = [each for each in attestations if each.setting == name]
        return resolve(Case(name, observed, claims, mine), self._snapshot.taken_at)

    def _connected(self, log: Log) -> Observed:
        """Whether one is there. Their payloads are not documented: that the last one is gone cannot be known."""
        seen = [observe(claims, log) for _, claims in sorted(self._organization.connections.items())]
        if not seen:
            return observe((), log)
        there = [each for each in seen if each.value is True]
        doubtful = [each for each in seen if each.value is None]
        last = max(there or doubtful or seen, key=lambda each: (each.at or 0, each.event))
        if there or doubtful:
            return last if last.gaps or there else replace(last, why=_SSO_TORN)
        return replace(last, value=None, why=_SSO_GONE)


def _marked(projects: Collection, default: object) -> Collection:
    """Every project with `is_default`."""

    def marked(record: Record) -> Record:
        is_default = default if isinstance(default, Unknown) else record.id == default
        return replace(record, fields={**record.fields, "is_default": is_default})

    return replace(projects, records=tuple(marked(record) for record in projects.records))


def _logging(logs: Logs) -> Observed:
    """One event shows that it is on, and an organization cannot switch it off again."""
    first = min((log.oldest_at for log in logs.values() if log.oldest_at is not None), default=None)
    if first is None:
        return observe((), logs[Stream.ORGANIZATION])
    return Observed(value=True, at=first)


def _in_force(lists: Collection) -> Observed:
    """Whether any list is in force, of whatever scope."""
    on = [record for record in lists.records if record.fields.get("active") is True]
    if on:
        last = max(on, key=lambda record: (_when(record), record.id))
        return Observed(value=True, at=_when(last), event=str(last.fields.get("event")))
    hidden = [each for record in lists.records if isinstance(each := record.fields.get("active"), Unknown)]
    if lists.complete and not hidden:
        at = max((_when(record) for record in lists.records), default=None)
        return Observed(value=False, at=at)
    gaps = tuple(dict.fromkeys((*lists.gaps, *(gap for each in hidden for gap in each.gaps))))
    why = next((each.why for each in hidden), lists.unseen or (gaps[0].reason if gaps else ""))
    return Observed(gaps=gaps, why=why)


def _when(record: Record) -> int:
    at = record.fields.get("switched_at", record.fields.get("seen_at"))
    return at if isinstance(at, int) else 0


def _vouched(lists: Collection, setting: Setting) -> Collection:
    """The lists; where a person vouches that one is in force, or none, what was not seen hides that no longer."""
    if setting.source is not Source.ATTESTED or setting.attestation is None:
        return lists
    word = setting.attestation
    fields = {
        "id": "attested",
        "name": f"attested by {word.by}",
        "active": True,
        "allowed_ips": Unknown(why="an attestation says that a list is in force, not what it holds"),
        "scope": allowlists.ORGANIZATION,
        "seen_at": word.on,
    }
    if word.value is True:
        return Collection(IP_ALLOWLIST, (*lists.records, Record(IP_ALLOWLIST, ("attested",), fields)))
    off = (replace(record, fields={**record.fields, "active": False}) for record in lists.records)
    return Collection(IP_ALLOWLIST, tuple(off))
