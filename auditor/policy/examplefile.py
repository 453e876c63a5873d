"""Examples as written, made into records: ISO times become Unix seconds, hidden fields become gaps. Pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from auditor.adminapi.fields import Field, Type
from auditor.clock import epoch
from auditor.errors import did_you_mean
from auditor.inventory import events
from auditor.inventory.model import Gap, Record, Unknown
from auditor.inventory.records import flatten, is_of_type
from auditor.inventory.schema import fields_of, is_open
from auditor.policy.files import ExampleFile
from auditor.policy.model import Example
from auditor.policy.modifiers import Complain
from auditor.terms import Status
from auditor.yamlfile import Document, Place

_LONGEST = 300
"""Characters of a message."""
_HIDDEN = Gap("example", (), Status.REFUSED, "hidden by the example")


def examples_of(
    files: Sequence[ExampleFile], kind: str, document: Document, complain: Complain, spoilt: Collection[Place] = ()
) -> tuple[Example, ...]:
    """The examples of a policy for `kind`, complaining of those that cannot be used.

    `kind` is empty where there is no such kind; `spoilt` are places whose faults were told already.
    """
    broken = {place[1] for place in spoilt if place[:1] == ("examples",) and len(place) > 1}
    found = [
        _example(each, kind, ("examples", index), document, complain, whole=index not in broken)
        for index, each in enumerate(files)
    ]
    return tuple(each for each in found if each)


def _example(
    file: ExampleFile, kind: str, place: Place, document: Document, complain: Complain, *, whole: bool
) -> Example | None:
    now = _seconds("now", file.now, (*place, "now"), complain)
    keys = ("event", "events") if is_open(kind) else ("resource", "resources")
    given = [key for key in ("resource", "resources", "event", "events") if getattr(file, key) is not None]
    single, several = (getattr(file, key) for key in keys)
    if kind and whole and (len(given) != 1 or given[0] not in keys):
        complain(place, f"an example has exactly one of `{keys[0]}:` or `{keys[1]}:`")
        return None
    bodies = [((*place, keys[0]), single)] if single is not None else []
    bodies += [((*place, keys[1], index), body) for index, body in enumerate(several or [])]
    records = _events(bodies, complain) if is_open(kind) else _records(bodies, kind, file.gaps, place, complain)
    line, _ = document.where(place)
    return Example(file.name, file.outcome, now or 0, file.because, records, line)


_Bodies = Sequence[tuple[Place, Mapping[str, Any]]]
"""Each body with the place where it stands."""


def _events(bodies: _Bodies, complain: Complain) -> tuple[Record, ...]:
    records = []
    for place, body in bodies:
        try:
            records.append(events.record_of(body))
        except ValueError as error:
            complain(place, f"the example cannot be read: {error}")
    return tuple(records)


def _records(bodies: _Bodies, kind: str, gaps: Sequence[str], place: Place, complain: Complain) -> tuple[Record, ...]:
    if not kind:
        return ()
    known = fields_of(kind)
    for index, name in enumerate(gaps):
        _sound_name(name, known, (*place, "gaps", index), complain)
    return tuple(
        Record(
            kind,
            (str(body.get("id", f"example_{number}")),),
            {**_fields(body, known, at, complain), **{name: Unknown((_HIDDEN,)) for name in gaps}},
        )
        for number, (at, body) in enumerate(bodies, 1)
    )


def _fields(
    body: Mapping[str, Any], known: Mapping[str, Field], place: Place, complain: Complain
) -> Mapping[str, object]:
    """What a body says, field by field, as a collection would give it."""
    fields: dict[str, object] = {
        name: Unknown(why="the example does not have this field")
        for name, field in known.items()
        # Null says that there is none; an older server that does not send the key says nothing.
        if field.absent_is_unknown and name not in body
    }
    for name, value in flatten(body).items():
        at = (*place, *_steps(body, name))
        if _sound_name(name, known, at, complain):
            fields[name] = _value(name, value, known[name].type, at, complain)
    return fields


def _sound_name(name: str, known: Mapping[str, Field], place: Place, complain: Complain) -> bool:
    if name not in known:
        message = f"the example names the unknown field `{name}`"
        complain(place, message, did_you_mean(name, tuple(known), "fields"))
    return name in known


def _steps(body: object, name: str) -> Place:
    """The keys that lead to a dotted name."""
    if not isinstance(body, Mapping) or name in body:
        return (name,)
    head, _, rest = name.partition(".")
    return (head, *_steps(body[head], rest)) if head in body else (name,)


def _value(name: str, value: object, kind: Type, place: Place, complain: Complain) -> object:
    if value is None:
        return None
    if kind is Type.TIME:
        return _seconds(name, value, place, complain)
    if not is_of_type(kind, value):
        complain(place, f"`{name}` is of type {kind}, and never {value!r}"[:_LONGEST])
    return value


def _seconds(name: str, value: object, place: Place, complain: Complain) -> int | None:
    """Unix seconds of an ISO 8601 time; a number is taken as it is. None after complaining."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        moment = datetime.fromisoformat(str(value))
        return epoch(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        complain(place, f"`{name}` is no time: {str(value)[:_LONGEST]}", "for example 2026-01-01T00:00:00Z")
        return None
