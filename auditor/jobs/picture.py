"""Completing the picture that was collected: what belongs together is joined, what only the store knows is added."""

from auditor.inventory import activity, ownkey
from auditor.inventory.derived import derive
from auditor.inventory.model import Snapshot
from auditor.inventory.registers import register
from auditor.inventory.relations import join
from auditor.jobs import settings, spending
from auditor.jobs.context import Audit
from auditor.store import events
from auditor.store.database import Transaction
from auditor.terms import Stream

EVENTS_LOOKED_AT = 20_000
"""The newest events, in which users are looked for."""


def joined(audit: Audit, seen: Snapshot) -> Snapshot:
    """`seen` with the fields that come from other resources and from the operator's own files."""
    return register(derive(ownkey.mark(join(seen), audit.client.holds)), audit.registers)


def completed(tx: Transaction, audit: Audit, seen: Snapshot) -> Snapshot:
    """`seen`, joined already, with settings, sign-ins, use and costs. Raises StoreError."""
    logs = settings.logs_of(tx, audit.organization, seen.taken_at)
    newest = events.recent(tx, audit.organization, EVENTS_LOOKED_AT)
    known = activity.see(seen, (event.raw for event in newest), logs[Stream.ORGANIZATION].gap)
    return spending.joined(tx, audit, settings.folded(tx, audit, known, logs))
