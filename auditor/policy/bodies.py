"""The body of one resource or event, as somebody saved it, made into the record that policies judge. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

from auditor.adminapi.fields import Field, Type
from auditor.adminapi.resources import BY_NAME
from auditor.clock import epoch, is_time
from auditor.inventory import events
from auditor.inventory.model import Record, Unknown
from auditor.inventory.records import flatten
from auditor.inventory.schema import fields_of, is_open

_SAID_OF_ALL = frozenset({"id", "object"})
_NOT_THERE = "it is not in the file"


def bodies_in(value: object) -> list[Mapping[str, object]]:
    """The bodies in a saved file: one, a list of them, or a page of a list as the API sends it. Raises ValueError."""
    if isinstance(value, Mapping) and isinstance(value.get("data"), list):
        value = value["data"]
    listed = value if isinstance(value, list) else [value]
    found = [each for each in listed if isinstance(each, Mapping) and each]
    if not found or len(found) != len(listed):
        raise ValueError("it holds neither the body of a resource nor a list of bodies")
    return found


def chosen(bodies: Sequence[Mapping[str, object]], name: str) -> Mapping[str, object]:
    """The body with the id `name`; without a name the only one. Raises ValueError."""
    if not name and len(bodies) == 1:
        return bodies[0]
    found = [body for body in bodies if name and name in (body.get("id"), body.get("name"))]
    if len(found) != 1:
        raise ValueError(f"it holds {len(found)} of the id `{name}`" if name else f"it holds {len(bodies)} bodies")
    return found[0]


def record_from(kind: str, body: Mapping[str, object]) -> Record:
    """The record of `body`, whose fields have the names of the API or those that policies use.

    What is joined on from other resources, and what only newer servers send, is Unknown unless the body has it.
    Raises ValueError for a time that is none, and for what is no event.
    """
    if is_open(kind):
        return events.record_of(body)
    flat = flatten(body)
    joined = joined_on(kind)
    fields: dict[str, object] = {}
    for name, field in fields_of(kind).items():
        value = flat.get(name, flat.get(field.path) if field.path else None)
        if value is not None:
            fields[name] = _seconds(name, value) if field.type is Type.TIME else value
        elif (field.absent_is_unknown or name in joined) and not _mentioned(body, name, field):
            fields[name] = Unknown(why=_NOT_THERE)
    return Record(kind, (str(body.get("id") or body.get("name") or kind),), fields)


def unknown_keys(kind: str, body: Mapping[str, object]) -> list[str]:
    """The dotted keys of `body` that no field of `kind` comes from."""
    known = {path for name, field in fields_of(kind).items() for path in (name, field.path) if path}
    parents = {path[:end] for path in known for end, each in enumerate(path) if each == "."}
    return [key for key in flatten(body) if key not in known | parents | _SAID_OF_ALL and not _within(key, known)]


def _within(key: str, known: AbstractSet[str]) -> bool:
    return any(key[:end] in known for end, each in enumerate(key) if each == ".")


def joined_on(kind: str) -> frozenset[str]:
    """The fields of a kind that its own body never has: they come from its parents and from other resources."""
    return frozenset(fields_of(kind)) - frozenset(BY_NAME[kind].fields) if kind in BY_NAME else frozenset()


def _mentioned(body: Mapping[str, object], name: str, field: Field) -> bool:
    """Whether the body says that there is none: null is an answer."""
    return any(_leads_somewhere(body, path) for path in (name, field.path) if path)


def _leads_somewhere(body: object, path: str) -> bool:
    if isinstance(body, Mapping) and path in body:
        return True
    first, _, rest = path.partition(".")
    return bool(rest) and isinstance(body, Mapping) and _leads_somewhere(body.get(first), rest)


def _seconds(name: str, value: object) -> int:
    if is_time(value):
        return value
    try:
        moment = datetime.fromisoformat(str(value))
        return epoch(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"`{name}` is no time: {str(value)[:60]!r}") from error
