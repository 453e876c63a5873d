"""Runs: what each pass over an organization read, said, and could not see."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from sqlalchemy import Select, func, select

from auditor.inventory.model import Coverage, Scope
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
    policies: tuple[PolicyLine, ...]


DAY = 86_400

_decode = msgspec.json.Decoder(Run).decode
_decode_judgement = msgspec.json.Decoder(Judgement).decode


def add(tx: Transaction, run: Run) -> None:
    """Write a run down."""
    columns = ("id", "organization", "kind", "started_at", "finished_at")
    # The ledger of a large organization is long and repeats itself: a tenth remains.
    body = zlib.compress(msgspec.json.encode(run), level=6)
    tx.execute(runs.insert(), [{name: getattr(run, name) for name in columns} | {"body": body}])


def latest(tx: Transaction, organization: str, kind: Kind) -> Run | None:
    """The run that ended last, None before the first."""
    body = tx.execute(_of(organization, kind).order_by(runs.c.finished_at.desc(), runs.c.id).limit(1)).scalar()
    return _run(body) if body is not None else None


def history(tx: Transaction, organization: str, kind: Kind, since: int) -> list[Run]:
    """Runs that ended at `since` (Unix seconds) or later, oldest first."""
    query = _of(organization, kind).where(runs.c.finished_at >= since).order_by(runs.c.finished_at, runs.c.id)
    return [_run(body) for body in tx.execute(query).scalars()]


def daily(tx: Transaction, organization: str, kind: Kind, since: int) -> list[Judgement]:
    """The last run of each 24 hours counted from `since` (Unix seconds), oldest first: what a trend is made of."""
    last = (
        select(func.max(runs.c.finished_at))
        .where(runs.c.organization == organization, runs.c.kind == kind, runs.c.finished_at >= since)
        .group_by((runs.c.finished_at - since) // DAY)
    )
    query = _of(organization, kind).where(runs.c.finished_at.in_(last)).order_by(runs.c.finished_at, runs.c.id)
    return [_decode_judgement(zlib.decompress(body)) for body in tx.execute(query).scalars()]


def _of(organization: str, kind: Kind) -> Select[tuple[bytes]]:
    return select(runs.c.body).where(runs.c.organization == organization, runs.c.kind == kind)


def _run(body: bytes) -> Run:
    return _decode(zlib.decompress(body))
