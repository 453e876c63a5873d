"""What could not be seen, gathered so that a thousand refusals of one kind are one line."""

from collections.abc import Iterable, Mapping

from auditor.adminapi.eventtypes import KNOWN
from auditor.inventory.model import Coverage, Gap, by_kind
from auditor.reporting.view import GapRow, LedgerRow, StreamRow, Tally, UnknownRow, Unseen
from auditor.store.runs import UnknownLine
from auditor.terms import Status

FIRST = 5
"""Places that one line names; the rest is counted."""


def ledger(coverage: Iterable[Coverage]) -> tuple[LedgerRow, ...]:
    """The coverage ledger, one row a kind, in the order of reading."""
    lines = tuple(coverage)
    parts: dict[str, int] = {}
    for line in lines:
        parts[line.kind] = parts.get(line.kind, 0) + 1
    return tuple(_ledger_row(kind, line, parts[kind]) for kind, line in by_kind(lines).items())


def _ledger_row(kind: str, line: Coverage, parts: int) -> LedgerRow:
    surprises = tuple(Tally(name, count) for name, count in sorted(line.surprises.items()))
    seconds = round(line.seconds, 1)
    return LedgerRow(kind, line.status, parts, line.items, line.pages, seconds, surprises, line.read_at)


def unseen(
    coverage: Iterable[Coverage],
    unknowns: Iterable[UnknownLine],
    titles: Mapping[str, str],
    streams: Iterable[StreamRow],
    types: Mapping[str, int],
) -> Unseen:
    """Gaps by kind and reason, unknown verdicts by policy and reason (worst level first), streams that lag.

    `types` counts the events of the period by type; those that nobody has heard of were not judged.
    """
    return Unseen(
        gaps=_gaps(line.gap for line in coverage if line.gap),
        unknowns=_unknowns(unknowns, titles),
        streams=tuple(row for row in streams if row.status is not Status.COMPLETE or row.holes),
        types=tuple(Tally(kind, count) for kind, count in sorted(types.items()) if kind not in KNOWN),
    )


def _gaps(gaps: Iterable[Gap]) -> tuple[GapRow, ...]:
    alike: dict[tuple[str, Status, str, str], list[str]] = {}
    for gap in gaps:
        places = alike.setdefault((gap.kind, gap.status, gap.reason, gap.hint), [])
        places.append(" / ".join(gap.scope))
    return tuple(
        GapRow(*key, scopes=tuple(place for place in sorted(places)[:FIRST] if place), count=len(places))
        for key, places in alike.items()
    )


def _unknowns(lines: Iterable[UnknownLine], titles: Mapping[str, str]) -> tuple[UnknownRow, ...]:
    alike: dict[tuple[str, str, str], list[UnknownLine]] = {}
    for line in lines:
        alike.setdefault((line.policy, line.reason, line.hint), []).append(line)
    rows = [_unknown_row(some, titles) for some in alike.values()]
    return tuple(sorted(rows, key=lambda row: (-row.level.rank, row.policy, row.reason)))


def _unknown_row(lines: list[UnknownLine], titles: Mapping[str, str]) -> UnknownRow:
    first = lines[0]
    return UnknownRow(
        policy=first.policy,
        title=titles.get(first.policy, first.policy),
        level=first.level,
        kind=first.kind,
        reason=first.reason or first.message,
        hint=first.hint,
        count=len(lines),
    )
