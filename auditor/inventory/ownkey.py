"""Which of the admin keys is the auditor's own. Pure."""

from collections.abc import Callable
from dataclasses import replace

from auditor.inventory.model import Record, Snapshot, Unknown


def mark(snapshot: Snapshot, holds: Callable[[object], object]) -> Snapshot:
    """The snapshot with `is_auditors` on every admin key; `holds` knows the key by what the API shows of it, or says
    Unknown."""
    keys = snapshot.collection("admin_api_key")
    records = tuple(
        replace(key, fields={**key.fields, "is_auditors": _is_auditors(key, holds)}) for key in keys.records
    )
    return replace(snapshot, collections={**snapshot.collections, "admin_api_key": replace(keys, records=records)})


def _is_auditors(key: Record, holds: Callable[[object], object]) -> object:
    shown = key.fields.get("redacted_value")
    return shown if isinstance(shown, Unknown) else holds(shown)
