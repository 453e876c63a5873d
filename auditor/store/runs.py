"""Runs: what each pass over an organization read, said, and could not see.

What repeats from run to run is not in their rows: the ledger is kept as ranges, what the policies said as a body.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
from sqlalchemy import Row, Select, func, select

from auditor.inventory.bodies import Body
from auditor.inventory.model import Coverage, Scope
from auditor.store import bodies, ledger, readings
from auditor.store.database import Transaction
from auditor.store.tables import runs
from auditor.terms import Level, Outcome

Kind = Literal["snapshot", "poll"]


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """What one policy said in a run."""

    policy: str
    title: str
    level: Level
    outcome: Outcome
    passed: int
    failed: int
    unknown: int
    judgement: str = ""
    """Which conditions of the policy, with which parameters, said it; empty in runs of older versions."""


@dataclass(frozen=True, slots=True)
class UnknownLine:
    """What one policy could not say, and why."""

    policy: str
    level: Level
    kind: str
    """Kind of resource that was not seen."""
    scope: Scope
    name: str
    """Chosen by members of the organization: never trust it."""
    message: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Run:
    """One pass. Times are Unix seconds."""

    id: str
    organization: str
    kind: Kind
    started_at: int
    finished_at: int
    resources: int
    """How many resources were read."""
    summary: Mapping[str, int]
    """Number of policies by outcome: `pass`, `fail`, `unknown`."""
    policies: tuple[PolicyLine, ...]
    coverage: tuple[Coverage, ...]
    unknowns: tuple[UnknownLine, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the policies said in one run, without its ledger."""

    finished_at: int
    summary: Mapping[str, int]
    policies: tuple[PolicyLine, ...]


DAY = 86_400


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the row of a run holds beside its columns."""

    resources: int
    summary: Mapping[str, int]
    policies: bytes
    """Digest of the body that holds the lines, as `unknowns` is."""
    unknowns: bytes
    seconds: Mapping[str, float]
    """How long each kind took to read, in the order of reading."""
    read: Mapping[str, int]
    """When each report was last read (Unix seconds): what the organization has once, and is not read in every run."""


_decode = msgspec.json.Decoder(_Stored).decode
_decode_whole = msgspec.json.Decoder(Run).decode
_decode_policies = msgspec.json.Decoder(tuple[PolicyLine, ...]).decode
_decode_unknowns = msgspec.json.Decoder(tuple[UnknownLine, ...]).decode


def before(tx: Transaction, organization: str) -> ledger.Run | None:
    """The run that was written down last, None before the first."""
    query = select(runs.c.number, runs.c.started_at).where(runs.c.organization == organization)
    row = tx.execute(query.where(runs.c.number.is_not(None)).order_by(runs.c.number.desc()).limit(1)).one_or_none()
    return ledger.Run(row.number, row.started_at) if row else None


def snapshots(tx: Transaction, organization: str, until: int) -> list[ledger.Run]:
    """Every snapshot up to and with `until` (Unix seconds) that the history knows, oldest first."""
    query = (
        select(runs.c.number, runs.c.started_at)
        .where(runs.c.organization == organization, runs.c.kind == "snapshot", runs.c.number.is_not(None))
        .where(runs.c.started_at <= until)
        .order_by(runs.c.number)
    )
    return [ledger.Run(row.number, row.started_at) for row in tx.execute(query)]


def reports_read(tx: Transaction, organization: str, number: int) -> Mapping[str, int]:
    """When each report had last been read whole (Unix seconds) at the time of a run."""
    mine = (runs.c.organization == organization, runs.c.number == number)
    return _decode(zlib.decompress(tx.execute(select(runs.c.body).where(*mine)).scalar_one())).read


def add(tx: Transaction, run: Run) -> None:
    """Write a run down. Runs of one organization must not be added at once: `organizations.hold` it before."""
    last = before(tx, run.organization)
    number = last.number + 1 if last else 1
    ledger.record(tx, run.organization, ledger.Run(number, run.started_at), last, run.coverage)
    stored = _Stored(
        run.resources,
        run.summary,
        policies=bodies.add(tx, _body(run.policies)),
        unknowns=bodies.add(tx, _body(run.unknowns)),
        seconds=_seconds(run.coverage),
        read={line.kind: line.read_at for line in run.coverage if line.read_at is not None and not line.scope},
    )
    columns = ("id", "organization", "kind", "started_at", "finished_at")
    body = zlib.compress(msgspec.json.encode(stored), level=6)
    tx.execute(runs.insert(), [{name: getattr(run, name) for name in columns} | {"number": number, "body": body}])


def latest(tx: Transaction, organization: str, kind: Kind) -> Run | None:
    """The run that ended last, None before the first."""
    row = tx.execute(_newest(organization, kind)).one_or_none()
    return _run(tx, row) if row else None


def judgement(tx: Transaction, organization: str, kind: Kind) -> Judgement | None:
    """What the policies said in the run that ended last, None before the first."""
    row = tx.execute(_newest(organization, kind)).one_or_none()
    return _judgements(tx, [row])[0] if row else None


def history(tx: Transaction, organization: str, kind: Kind, since: int) -> list[Run]:
    """Runs that ended at `since` (Unix seconds) or later, oldest first."""
    query = _of(organization, kind).where(runs.c.finished_at >= since).order_by(runs.c.finished_at, runs.c.id)
    return [_run(tx, row) for row in tx.execute(query).all()]


def daily(tx: Transaction, organization: str, kind: Kind, since: int) -> list[Judgement]:
    """The last run of each 24 hours counted from `since` (Unix seconds), oldest first: what a trend is made of."""
    last = (
        select(func.max(runs.c.finished_at))
        .where(runs.c.organization == organization, runs.c.kind == kind, runs.c.finished_at >= since)
        .group_by((runs.c.finished_at - since) // DAY)
    )
    query = _of(organization, kind).where(runs.c.finished_at.in_(last)).order_by(runs.c.finished_at, runs.c.id)
    return _judgements(tx, tx.execute(query).all())


_Row = Row[tuple[object, ...]]


def _of(organization: str, kind: Kind) -> Select[tuple[object, ...]]:
    return select(*runs.columns).where(runs.c.organization == organization, runs.c.kind == kind)


def _newest(organization: str, kind: Kind) -> Select[tuple[object, ...]]:
    return _of(organization, kind).order_by(runs.c.finished_at.desc(), runs.c.id).limit(1)


def _run(tx: Transaction, row: _Row) -> Run:
    if row.number is None:
        return _decode_whole(zlib.decompress(row.body))
    stored = _decode(zlib.decompress(row.body))
    found = bodies.contents(tx, {stored.policies, stored.unknowns})
    return Run(
        *(row.id, row.organization, row.kind, row.started_at, row.finished_at),
        resources=stored.resources,
        summary=stored.summary,
        policies=_decode_policies(found[stored.policies]),
        coverage=_coverage(tx, row, stored),
        unknowns=_decode_unknowns(found[stored.unknowns]),
    )


def _coverage(tx: Transaction, row: _Row, stored: _Stored) -> tuple[Coverage, ...]:
    """The ledger; how long a kind took is told with its first line."""
    lines = ledger.of_run(tx, row.organization, row.number)
    last = before(tx, row.organization)
    if last and last.number == row.number:
        lines |= {kind: _dated(tx, row, kind, lines[kind]) for kind in readings.KINDS if kind in lines}
    for kind, took in stored.seconds.items():
        lines[kind][0] = replace(lines[kind][0], seconds=took, read_at=stored.read.get(kind, lines[kind][0].read_at))
    return tuple(line for kind in stored.seconds for line in lines[kind])


def _dated(tx: Transaction, row: _Row, kind: str, lines: Sequence[Coverage]) -> list[Coverage]:
    """The lines of the last run with the time of those that were read in an earlier one."""
    known = readings.known(tx, row.organization, kind)
    read = {scope: each.read_at for scope, each in known.items() if each.read_at != row.started_at}
    return [line if line.gap else replace(line, read_at=read.get(line.scope)) for line in lines]


def _judgements(tx: Transaction, rows: Sequence[_Row]) -> list[Judgement]:
    """Many runs say the same: what they said is read once."""
    found = {row.id: _decode(zlib.decompress(row.body)) for row in rows if row.number is not None}
    contents = bodies.contents(tx, {stored.policies for stored in found.values()})
    policies = {digest: _decode_policies(content) for digest, content in contents.items()}

    def judgement_of(row: _Row) -> Judgement:
        if row.id in found:
            return Judgement(row.finished_at, found[row.id].summary, policies[found[row.id].policies])
        whole = _decode_whole(zlib.decompress(row.body))
        return Judgement(whole.finished_at, whole.summary, whole.policies)

    return [judgement_of(row) for row in rows]


def _body(lines: tuple[PolicyLine, ...] | tuple[UnknownLine, ...]) -> Body:
    content = msgspec.json.encode(lines)
    return Body(hashlib.sha256(content).digest(), content)


def _seconds(coverage: Sequence[Coverage]) -> dict[str, float]:
    took: dict[str, float] = {}
    for line in coverage:
        took[line.kind] = took.get(line.kind, 0.0) + line.seconds
    return {kind: round(seconds, 3) for kind, seconds in took.items()}
