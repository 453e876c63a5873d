"""Every resource as it was, from when to when: rows that say which body was valid, and how it came and went.

Only a reading that was whole ends a row, because absence behind a gap proves nothing; what was not there in a whole
reading and is there now was added, what nobody could see before is only visible now.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update

from auditor.adminapi.resources import BY_NAME
from auditor.inventory.model import Collection as Seen
from auditor.inventory.model import Record, Scope, Snapshot
from auditor.store import bodies, ledger, readings
from auditor.store.database import Transaction, slices
from auditor.store.tables import bodies as bodies_table
from auditor.store.tables import versions


class Came(StrEnum):
    """How a version came to be known."""

    ADDED = "added"
    """A whole reading before did not have the resource."""
    VISIBLE = "visible"
    """Nobody could have seen it before: it may be old."""
    CHANGED = "changed"
    """It was known with another body."""


@dataclass(frozen=True, slots=True)
class Version:
    """One body of one resource, and when it was valid. Times are Unix seconds at which readings began."""

    kind: str
    ids: Scope
    body: bytes
    """Digest of the body."""
    came: Came
    after: int | None
    """The last reading before `valid_from` that would have shown it, None when there was none."""
    valid_from: int
    seen_to: int | None = None
    """The last reading before `valid_to` that would have shown its end."""
    valid_to: int | None = None
    """None while it is valid."""


@dataclass(frozen=True, slots=True)
class _Open:
    row: int
    body: bytes
    valid_from: int


def record(tx: Transaction, organization: str, seen: Snapshot, before: ledger.Run | None) -> set[tuple[str, Scope]]:
    """Write down what a snapshot shows that the history does not know; `before` is the last run that was added.

    Returns the kinds and scopes that were read before, and that look different now.

    The bodies must have been staged. Call it before the run of the snapshot is added: the ledger of the run before
    tells what was read whole. Snapshots of one organization must not be recorded at once.
    """
    differing: set[tuple[str, Scope]] = set()
    new: dict[Scope, int | None] = {}
    for kind, collection in seen.collections.items():
        if kind in BY_NAME:
            differing |= {
                (kind, scope) for scope in _Kind(tx, organization, collection, seen.taken_at).record(before, new)
            }
    return differing


class _Kind:
    """All resources of one kind."""

    def __init__(self, tx: Transaction, organization: str, seen: Seen, at: int) -> None:
        self._tx = tx
        self._organization = organization
        self._seen = seen
        self._at = at
        self._open = _open(tx, organization, seen.kind)
        self._completed: dict[Scope, int] = {}

    def record(self, before: ledger.Run | None, new: dict[Scope, int | None]) -> set[Scope]:
        """Close and open rows, and tell which scopes differ.

        `new` are resources that were added in this snapshot, with the reading before.
        """
        present = {record.ids: record for record in self._seen.records}
        fresh = [record for ids, record in present.items() if not self._is_known(record)]
        gone = [ids for ids in self._open if ids not in present and not self._seen.hides(ids)]
        if not fresh and not gone:
            return set()
        scopes = {ids[:-1] for ids in (*(record.ids for record in fresh), *gone)}
        self._completed = ledger.completed(self._tx, self._organization, self._seen.kind, scopes, before)
        if self._seen.kind in readings.KINDS:
            read = readings.known(self._tx, self._organization, self._seen.kind)
            self._completed |= {scope: read[scope].read_at for scope in scopes if scope in read}
        begun = [self._begun(record, new) for record in fresh]
        self._close([*(each.ids for each in begun if each.came is Came.CHANGED), *gone])
        self._add(begun)
        return scopes & self._completed.keys()

    def _is_known(self, record: Record) -> bool:
        known = self._open.get(record.ids)
        return known is not None and known.body == record.digest

    def _add(self, begun: Sequence[Version]) -> None:
        bodies.keep(self._tx, {each.body for each in begun})
        place = {"organization": self._organization}
        for some in slices(begun):
            self._tx.execute(versions.insert(), [place | asdict(each) for each in some])

    def _begun(self, record: Record, new: dict[Scope, int | None]) -> Version:
        came, after = self._origin(record.ids, self._open.get(record.ids), new)
        if came is Came.ADDED:
            new[record.ids] = after
        return Version(record.kind, record.ids, record.digest, came, after, self._at)

    def _origin(self, ids: Scope, known: _Open | None, new: Mapping[Scope, int | None]) -> tuple[Came, int | None]:
        whole = self._completed.get(ids[:-1])
        if known:
            return Came.CHANGED, known.valid_from if whole is None else max(whole, known.valid_from)
        if whole is not None:
            return Came.ADDED, whole
        # What is in a new project came with it or after it.
        return (Came.ADDED, new[ids[:-1]]) if ids[:-1] in new else (Came.VISIBLE, None)

    def _close(self, ended: Sequence[Scope]) -> None:
        """End rows; those that were last seen at the same time in one statement."""
        together: dict[int, list[int]] = {}
        for ids in ended:
            row = self._open[ids]
            last = max(self._completed.get(ids[:-1], row.valid_from), row.valid_from)
            together.setdefault(last, []).append(row.row)
        for last, rows in together.items():
            for some in slices(rows):
                self._tx.execute(
                    update(versions).where(versions.c.row.in_(some)).values(valid_to=self._at, seen_to=last)
                )


def current(tx: Transaction, organization: str, kind: str) -> dict[Scope, bytes]:
    """Digests of the bodies that are valid now, by ids."""
    return {ids: each.body for ids, each in _open(tx, organization, kind).items()}


def current_bodies(
    tx: Transaction, organization: str, kind: str, wanted: Collection[Scope]
) -> dict[Scope, list[tuple[str, bytes, bytes]]]:
    """Own id, digest and content of what is valid now below the scopes `wanted`, by scope, in the order of coming."""
    query = (
        select(versions.c.ids, versions.c.body, bodies_table.c.content)
        .join_from(versions, bodies_table)
        .where(_is_open(organization, kind))
        .order_by(versions.c.row)
    )
    found: dict[Scope, list[tuple[str, bytes, bytes]]] = {scope: [] for scope in wanted}
    for row in tx.execute(query):
        *scope, own = row.ids
        if (below := found.get(tuple(scope))) is not None:
            below.append((own, bytes(row.body), bodies.unpacked(row.content)))
    return found


def began_at(tx: Transaction, organization: str) -> int | None:
    """When the history of an organization begins, None while there is none."""
    return tx.execute(select(func.min(versions.c.valid_from)).where(versions.c.organization == organization)).scalar()


def touched(tx: Transaction, organization: str, since: int, until: int, kinds: Collection[str]) -> list[Version]:
    """Versions that began or ended after `since`, up to and with `until`, oldest first; of one resource in order."""
    within = [and_(column > since, column <= until) for column in (versions.c.valid_from, versions.c.valid_to)]
    query = (
        select(versions)
        .where(versions.c.organization == organization, versions.c.kind.in_(list(kinds)), or_(*within))
        .order_by(versions.c.valid_from, versions.c.row)
    )
    return _listed(tx, query)


def valid_at(tx: Transaction, organization: str, at: int, kinds: Collection[str]) -> Iterator[tuple[str, Scope, bytes]]:
    """Kind, ids and digest of every body that was valid at `at` (Unix seconds), row by row."""
    mine = and_(versions.c.organization == organization, versions.c.kind.in_(list(kinds)))
    valid = and_(versions.c.valid_from <= at, or_(versions.c.valid_to.is_(None), versions.c.valid_to > at))
    query = select(versions.c.kind, versions.c.ids, versions.c.body).where(mine, valid).order_by(versions.c.row)
    return ((row.kind, tuple(row.ids), bytes(row.body)) for row in tx.execute(query.execution_options(yield_per=1000)))


def times(tx: Transaction, organization: str, since: int, until: int, kinds: Collection[str]) -> set[int]:
    """When versions began or ended after `since`, up to and with `until`: snapshots in which something changed."""
    found: set[int] = set()
    mine = and_(versions.c.organization == organization, versions.c.kind.in_(list(kinds)))
    for column in (versions.c.valid_from, versions.c.valid_to):
        query = select(column).where(mine, column > since, column <= until).distinct()
        found.update(tx.execute(query).scalars())
    return found


def _listed(tx: Transaction, query: Select[tuple[object, ...]]) -> list[Version]:
    return [
        Version(
            row.kind,
            tuple(row.ids),
            bytes(row.body),
            Came(row.came),
            row.after,
            row.valid_from,
            row.seen_to,
            row.valid_to,
        )
        for row in tx.execute(query)
    ]


def _is_open(organization: str, kind: str) -> ColumnElement[bool]:
    return and_(versions.c.organization == organization, versions.c.kind == kind, versions.c.valid_to.is_(None))


def _open(tx: Transaction, organization: str, kind: str) -> dict[Scope, _Open]:
    query = select(versions.c.row, versions.c.ids, versions.c.body, versions.c.valid_from)
    rows = tx.execute(query.where(_is_open(organization, kind)).order_by(versions.c.row)).all()
    return {tuple(row.ids): _Open(row.row, bytes(row.body), row.valid_from) for row in rows}
