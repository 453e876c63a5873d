"""Joins what keys and projects used and cost to the picture, from the daily series in the store."""

from auditor.adminapi.reports import DAY
from auditor.inventory.events import record_of
from auditor.inventory.model import Snapshot
from auditor.inventory.spending import Series, first_day, spend
from auditor.jobs.context import Audit
from auditor.store import usage
from auditor.store.database import Transaction
from auditor.store.history import Wanted, page

_DELETIONS = 10_000
"""Events of deletions that are looked at; of more, the newest."""
_STALE = 3 * DAY
"""Seconds after which the last good reading of a report says nothing of the present."""


def joined(tx: Transaction, audit: Audit, seen: Snapshot) -> Snapshot:
    """The snapshot with the fields of `schema.SPENDING` and a line in the ledger for each report; see `spend`."""
    stale_after = patience(audit.usage_every)
    days = usage.days(tx, audit.organization, first_day(seen.taken_at, stale_after))
    readings = usage.readings(tx, audit.organization)
    gone = deleted(tx, audit.organization, seen.taken_at - stale_after)
    return spend(seen, Series(readings, days, stale_after, gone))


def patience(usage_every: int) -> int:
    """Seconds after which a good reading says nothing of the present, where reports are read every `usage_every`."""
    return max(_STALE, 2 * usage_every)


def deleted(tx: Transaction, organization: str, since: int, until: int | None = None) -> frozenset[str]:
    """Keys that the audit log saw deleted, and projects of which it saw an account or the whole go, with their keys.

    Of the time from `since` to `until` (Unix seconds), both included.
    """
    types = ("api_key.deleted", "service_account.deleted", "project.archived")
    wanted = Wanted(since=since - DAY, before=None if until is None else until + 1, types=types)
    found: set[str] = set()
    for event in page(tx, organization, wanted, None, newest_first=True, size=_DELETIONS):
        fields = record_of(event.raw).fields
        name = "project.id" if event.type == "service_account.deleted" else "payload.id"
        found.add(str(fields.get(name)))
    return frozenset(found)
