"""The resources as earlier snapshots found them, rebuilt from the history: one picture after the other, by time.

No more than one picture is held. What a snapshot could not see is not in its picture, whatever is known today.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice

from auditor.adminapi.resources import BY_NAME, RESOURCES
from auditor.adminapi.resourcetypes import ResourceType
from auditor.inventory.bodies import joined
from auditor.inventory.collect import generations, scopes
from auditor.inventory.model import Collection, Coverage, Gap, Record, Scope, Snapshot, Unknown
from auditor.inventory.records import record_of
from auditor.store import bodies, ledger, versions, volatiles
from auditor.store.database import Store, Transaction
from auditor.store.volatiles import DAY, Values

_LATER = "it moved again on that day, and only the last value of a day is kept"
_NOT_READ = "the snapshot of that time did not read it"
_BATCH = 1000
"""Bodies that are unpacked at once."""


class Shown:
    """What the snapshots of one organization showed; they must be asked for in the order of their time."""

    def __init__(self, store: Store, organization: str) -> None:
        self._store = store
        self._organization = organization
        self._at: int | None = None
        self._records: dict[str, dict[Scope, Record]] = {kind: {} for kind in BY_NAME}
        self._moving = {kind.name: _Moving() for kind in RESOURCES if any(f.volatile for f in kind.fields.values())}

    def picture(self, run: ledger.Run) -> Snapshot:
        """The resources that a snapshot saw, as the API sent them, with its gaps in the ledger. Raises StoreError."""
        with self._store.transaction() as tx:
            self._advance(tx, run.at)
            gaps = ledger.gaps_of_run(tx, self._organization, run.number)
        done: dict[str, Collection] = {}
        for generation in generations(RESOURCES):
            for kind in generation:
                was_read = kind.name in gaps or not scopes(kind, done)
                done[kind.name] = self._collection(kind, gaps.get(kind.name, ()), run.at, was_read=was_read)
        lines = (Coverage(gap.kind, gap.scope, gap.status, 0, 0, gap=gap) for some in gaps.values() for gap in some)
        return Snapshot(self._organization, run.at, done, tuple(lines))

    def _collection(self, kind: ResourceType, gaps: Iterable[Gap], at: int, *, was_read: bool) -> Collection:
        empty = Collection(kind.name, gaps=tuple(gaps), unseen="" if was_read else _NOT_READ)
        hidden = {gap.scope for gap in empty.gaps}
        records = (
            record
            for ids, record in self._records[kind.name].items()
            if was_read and not any(ids[:length] in hidden for length in range(len(ids)))
        )
        moving = self._moving.get(kind.name)
        if moving:
            records = (replace(each, fields={**each.fields, **moving.values(each.ids, at)}) for each in records)
        return replace(empty, records=tuple(records))

    def _advance(self, tx: Transaction, at: int) -> None:
        if self._at is None:
            self._add(tx, versions.valid_at(tx, self._organization, at, BY_NAME))
        elif at > self._at:
            touched = versions.touched(tx, self._organization, self._at, at, BY_NAME)
            for each in touched:
                if each.valid_to is not None and each.valid_to <= at:
                    self._records[each.kind].pop(each.ids, None)
            valid = (
                each for each in touched if each.valid_from <= at and (each.valid_to is None or each.valid_to > at)
            )
            self._add(tx, ((each.kind, each.ids, each.body) for each in valid))
        self._at = at
        for kind, moving in self._moving.items():
            moving.advance(volatiles.days(tx, self._organization, kind, moving.day, at // DAY))

    def _add(self, tx: Transaction, valid: Iterable[tuple[str, Scope, bytes]]) -> None:
        rest = iter(valid)
        while some := list(islice(rest, _BATCH)):
            contents = bodies.contents(tx, {digest for _, _, digest in some})
            for kind, ids, digest in some:
                self._records[kind][ids] = _record(BY_NAME[kind], ids, digest, contents[digest])


class _Moving:
    """What moves by itself, of one kind: the last values before the day that was reached, and those of that day."""

    def __init__(self) -> None:
        self.day = -1
        self._before: dict[Scope, Values] = {}
        self._today: Mapping[Scope, Values] = {}

    def advance(self, days: Iterable[tuple[int, Mapping[Scope, Values]]]) -> None:
        """Go on to the last of the days, oldest first."""
        for day, moved in days:
            self._before.update(self._today)
            self.day, self._today = day, moved

    def values(self, ids: Scope, at: int) -> dict[str, object]:
        """The values of a resource at a time; what is later than that says only what they were at least."""
        before = self._before.get(ids, {})
        return {name: _value(value, before.get(name), at) for name, value in self._today.get(ids, before).items()}


def _value(value: int, before: int | None, at: int) -> object:
    if value <= at:
        return value
    return Unknown(known=() if before is None else (before,), why=_LATER)


def _record(kind: ResourceType, ids: Scope, digest: bytes, content: bytes) -> Record:
    record = record_of(kind, ids[:-1], joined(kind, content, {}), digest, Counter())
    return record or Record(kind.name, ids, {}, digest=digest)
