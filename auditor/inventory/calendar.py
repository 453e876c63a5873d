"""When an event happened in the operator's own terms: planned, in a freeze, at which hour of the week. Pure."""

from dataclasses import replace
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from auditor import clock
from auditor.inventory.model import Record
from auditor.registers.table import Registers, Row

DATED = frozenset({"planned", "frozen", "change.ticket", "local.hour", "local.weekday"})
"""The fields of events that come from here."""
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Calendar:
    """The planned changes, and the zone whose clock counts."""

    def __init__(self, registers: Registers, zone: str) -> None:
        """Without a register of planned changes nothing is known to be planned or unplanned."""
        self._rows = registers.get("planned_changes")
        self._zone = ZoneInfo(zone)
        self._about: dict[str, tuple[Row, ...]] = {}

    def dated(self, event: Record) -> Record:
        """The event with `local.*`, and, where there is a register, `planned`, `frozen` and `change.ticket`."""
        # What the API might send under these names is not what they mean here.
        fields = {name: value for name, value in event.fields.items() if name not in DATED}
        at = event.fields.get("effective_at")
        if clock.is_time(at):
            assert isinstance(at, int)  # noqa: S101 - is_time says so
            moment = clock.from_epoch(at).astimezone(self._zone)
            fields |= {"local.hour": moment.hour, "local.weekday": _WEEKDAYS[moment.weekday()]}
        if self._rows is not None:
            fields |= self._planned(event, at)
        return replace(event, fields=fields)

    def _planned(self, event: Record, at: object) -> dict[str, object]:
        now = [row for row in self._rows_about(str(event.fields.get("type"))) if _covers(row, at)]
        changes = [row for row in now if row.get("kind") != "freeze" and _is_by(row, event)]
        planned: dict[str, object] = {
            "planned": bool(changes),
            "frozen": any(row.get("kind") == "freeze" for row in now),
        }
        return planned | ({"change.ticket": changes[0]["ticket"]} if changes else {})

    def _rows_about(self, kind: str) -> tuple[Row, ...]:
        if kind not in self._about:
            self._about[kind] = tuple(row for row in self._rows or () if _names(row, kind))
        return self._about[kind]


def _names(row: Row, kind: str) -> bool:
    patterns = row["events"]
    return isinstance(patterns, tuple) and any(fnmatchcase(kind, pattern) for pattern in patterns)


def _covers(row: Row, at: object) -> bool:
    start, end = row["from"], row["until"]
    return isinstance(at, int) and isinstance(start, int) and isinstance(end, int) and start <= at <= end


def _is_by(row: Row, event: Record) -> bool:
    """Whether the one who acted is the one who was to act; a plan without an actor is anybody's."""
    actor = row.get("actor")
    if not isinstance(actor, str):
        return True
    acted = (event.fields.get("actor.email"), event.fields.get("actor.id"))
    return any(isinstance(each, str) and each.casefold() == actor.casefold() for each in acted)
