"""Base matches of correlations: their windows, kept across restarts."""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import select, update

from auditor.detection.model import BaseMatch, key_of
from auditor.store.database import Transaction, slices
from auditor.store.tables import matches


def add(tx: Transaction, organization: str, correlation: str, found: Sequence[BaseMatch]) -> None:
    """Keep matches; one that is known stays as it is."""
    rows: list[dict[str, object]] = [
        {
            "organization": organization,
            "correlation": correlation,
            "rule": match.rule,
            "event_id": match.event_id,
            "group_sha256": _digest(match.group),
            "group_values": match.group,
            "at": match.at,
            "value": match.value,
            "occurrence": match.occurrence,
        }
        for match in found
    ]
    for some in slices(rows):
        tx.add_new(matches, some)


def of_group(
    tx: Transaction, organization: str, correlation: str, group: tuple[str, ...], since: int, until: int
) -> list[BaseMatch]:
    """The matches of one group with `since <= at <= until` (Unix seconds), oldest first; within one second by event.

    The case of `group` does not count.
    """
    query = (
        select(matches)
        .where(
            matches.c.organization == organization,
            matches.c.correlation == correlation,
            matches.c.group_sha256 == _digest(group),
            matches.c.at.between(since, until),
        )
        .order_by(matches.c.at, matches.c.event_id, matches.c.rule)
    )
    return [
        BaseMatch(row.rule, row.event_id, row.at, tuple(row.group_values), row.value, row.occurrence)
        for row in tx.execute(query)
    ]


def consume(tx: Transaction, organization: str, correlation: str, event_ids: Iterable[str], occurrence: str) -> None:
    """Mark the matches of these events as told in `occurrence`, so that they are not told again."""
    for some in slices(sorted(set(event_ids))):
        told = update(matches).where(
            matches.c.organization == organization,
            matches.c.correlation == correlation,
            matches.c.event_id.in_(some),
        )
        tx.execute(told.values(occurrence=occurrence))


def _digest(group: tuple[str, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(key_of(group))).hexdigest()
