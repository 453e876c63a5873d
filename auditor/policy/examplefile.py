"""Examples as written, made into records: ISO times become Unix seconds, hidden fields become gaps. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from auditor.adminapi.fields import Type
from auditor.clock import epoch
from auditor.errors import did_you_mean
from auditor.inventory import events
from auditor.inventory.model import Gap, Record, Unknown
from auditor.inventory.records import flatten
from auditor.inventory.schema import fields_of, is_open
from auditor.policy.files import ExampleFile
from auditor.policy.model import Example
from auditor.policy.modifiers import Complain
from auditor.terms import Status
from auditor.yamlfile import Document, Place

_HIDDEN = Gap("example", (), Status.REFUSED, "hidden by the example")


def examples_of(files: Sequence[ExampleFile], kind: str, document: Document, complain: Complain) -> tuple[Example, ...]:
    """The examples of a policy for `kind`, complaining of those that cannot be used."""
    found = [_example(each, kind, ("examples", index), document, complain) for index, each in enumerate(files)]
    return tuple(each for each in found if each)


def _example(file: ExampleFile, kind: str, place: Place, document: Document, complain: Complain) -> Example | None:
    try:
        now = _seconds(file.now)
    except ValueError:
        complain((*place, "now"), f"`now` is no time: {file.now}", "for example 2026-01-01T00:00:00Z")
        return None
    bodies = [*([file.resource] if file.resource is not None else []), *(file.resources or [])]
    raw = [*([file.event] if file.event is not None else []), *(file.events or [])]
    bodies, wanted = (raw, "event:` or `events:") if is_open(kind) else (bodies, "resource:` or `resources:")
    given = (file.resource, file.resources, file.event, file.events)
    if sum(each is not None for each in given) != 1 or (not bodies and file.resources is None and file.events is None):
        complain(place, f"an example has exactly one of `{wanted}`")
        return None
    try:
        records = _records(bodies, kind, file.gaps, place, complain)
    except ValueError as error:
        complain(place, f"the example cannot be read: {error}")
        return None
    line, _ = document.where(place)
    return Example(file.name, file.outcome, now, file.because, records, line)


def _records(
    bodies: Sequence[Mapping[str, Any]], kind: str, gaps: Sequence[str], place: Place, complain: Complain
) -> tuple[Record, ...]:
    if is_open(kind):
        return tuple(events.record_of(body) for body in bodies)
    known = fields_of(kind)
    records = []
    for index, body in enumerate(bodies):
        fields: dict[str, object] = {
            name: Unknown(why="the example does not have this field")
            for name, field in known.items()
            # Null says that there is none; an older server that does not send the key says nothing.
            if field.absent_is_unknown and name not in body
        }
        for name, value in {**flatten(body), **dict.fromkeys(gaps)}.items():
            if name not in known:
                complain(
                    place, f"the example names the unknown field `{name}`", did_you_mean(name, tuple(known), "fields")
                )
            elif name in gaps:
                fields[name] = Unknown((_HIDDEN,))
            else:
                fields[name] = _seconds(value) if known[name].type is Type.TIME else value
        records.append(Record(kind, (str(body.get("id", f"example_{index + 1}")),), fields))
    return tuple(records)


def _seconds(value: object) -> int:
    """Unix seconds of an ISO 8601 time; a number is taken as it is. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    moment = datetime.fromisoformat(str(value))
    return epoch(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
