"""A first policy from something that was seen: it loads, its examples hold, and a person goes on from there. Pure."""

import ipaddress
import re
from collections.abc import Iterator, Mapping

from auditor.adminapi.fields import Type
from auditor.clock import from_epoch
from auditor.inventory.model import Record, Unknown
from auditor.inventory.schema import fields_of, is_open
from auditor.policy.bodies import record_from
from auditor.yamlfile import flow

_MAX_DEPTH = 12
"""Levels of an event that the example keeps; deeper ones are no fields."""
_TELLING = ("role", "status", "type", "active", "enabled", "is_", "permission")
"""What the names of fields say that policies are mostly about."""
_NEVER = frozenset({"id", "name", "email", "title", "description"})
_COMPARED = re.compile(r"[A-Za-z0-9_.@:/ -]{1,200}")
_OF_PEOPLE = frozenset({"user", "group_member", "project_user"})
"""Kinds whose own name is that of a person."""
_WHO = frozenset({"actor", "created_by", "invited_by", "members", "owner", "owners", "user", "users"})
"""Under these a name is that of a person."""
_NAMES = frozenset({"name", "display_name", "full_name", "first_name", "last_name", "given_name", "family_name"})
_PEOPLE = frozenset(
    {"by", "created_by", "custodian", "effective_owners", "holders", "invited_by", "members", "owner", "owners"}
)
"""Fields that hold nothing but names of people."""
_WORD = re.compile(r"\S+")
_ADDRESS = "person@example.com"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def scaffold(name: str, kind: str, body: Mapping[str, object], now: int, identity: str) -> str:
    """The text of a policy called `name` that finds `body`, a resource of `kind` or an event, at `now` (Unix seconds).

    `identity` is a new UUID for an event policy. People and addresses in `body` are replaced by invented ones. Raises
    ValueError when there is nothing in `body` to compare with.
    """
    record = record_from(kind, body)
    lines = _event(name, record, body, identity) if is_open(kind) else _state(name, record, now)
    return "\n".join(lines) + "\n"


def _state(name: str, record: Record, now: int) -> Iterator[str]:
    field, value = _compared(record)
    shown = next((each for each in ("name", "email", "id") if each in fields_of(record.kind)), field)
    resource = dict(_shown(record))
    yield from (
        f"title: {flow(f'{_words(record.kind)} whose {field} is {value}')}",
        f"name: {name}",
        f"resource: {record.kind}",
        "level: medium # informational, low, medium, high or critical",
        "status: experimental",
        "description: Say here why it matters, in one sentence.",
        "detection:",
        f"  found: {flow({field: value})}",
        "  condition: found",
        f'message: "{{{{ {shown} }}}}: {field} is {{{{ {field} }}}}"',
        "remediation: Say here what to do about it, and where.",
        "examples:",
    )
    for expect, changed in (("fail", {}), ("pass", {field: _other(value)})):
        yield f"  - name: {'as it was seen' if expect == 'fail' else f'another {field}'}"
        yield f"    now: {_iso(now)}"
        yield f"    expect: {expect}"
        yield f"    resource: {flow(resource | changed)}"


def _event(name: str, record: Record, body: Mapping[str, object], identity: str) -> Iterator[str]:
    kind = str(record.fields["type"])
    if not _COMPARED.fullmatch(kind):
        raise ValueError(f"its type {kind[:60]!r} is none that a policy can name")
    at = record.fields.get("effective_at", 0)
    yield from (
        f"title: {flow(f'Audit event {kind}')}",
        f"id: {identity}",
        f"name: {name}",
        "status: experimental",
        "description: Say here why it matters, in one sentence.",
        "logsource: {product: openai, service: audit}",
        "detection:",
        f"  seen: {flow({'type': kind})}",
        "  condition: seen",
        "level: medium # informational, low, medium, high or critical",
        "message: \"{{ actor.email or actor.id or 'somebody' }}: {{ type }}\"",
        "remediation: Say here what to do about it, and where.",
        "examples:",
        "  - name: as it was seen",
        "    expect: fail",
        f"    event: {flow(_invented(body, ''))}",
        "  - name: another event",
        "    expect: pass",
        f"    event: {flow({'id': 'audit_log_2', 'type': 'something.else', 'effective_at': at})}",
    )


def _compared(record: Record) -> tuple[str, object]:
    """The field that is most probably what a policy is about, and its value."""
    found = [(name, value) for name, value in record.fields.items() if _comparable(value, _path(record, name))]
    found = [(name, value) for name, value in found if name not in _NEVER] or found
    if not found:
        known = ", ".join(sorted(fields_of(record.kind)))
        raise ValueError(f"there is no field of {record.kind} in it to compare with; it has {known}")
    return min(found, key=_rank)


def _rank(item: tuple[str, object]) -> tuple[bool, bool, str]:
    name, value = item
    return not any(each in name for each in _TELLING), not isinstance(value, bool | str), name


def _comparable(value: object, path: str) -> bool:
    # Neither a wildcard nor what would be taken for a parameter; nor whom the example has another name for.
    plain = isinstance(value, bool | int) or (isinstance(value, str) and bool(_COMPARED.fullmatch(value)))
    return plain and _invented(value, path) == value


def _path(record: Record, name: str) -> str:
    """Where a field stands, its kind first where that is a person."""
    return f"user.{name}" if record.kind in _OF_PEOPLE else name


def _other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else "something else"


def _shown(record: Record) -> Iterator[tuple[str, object]]:
    known = fields_of(record.kind)
    for name, value in record.fields.items():
        if not isinstance(value, Unknown):
            yield name, _iso(value) if known[name].type is Type.TIME else _invented(value, _path(record, name))


def _iso(seconds: object) -> str:
    return from_epoch(int(str(seconds))).isoformat().replace("+00:00", "Z")


def _words(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def _invented(value: object, path: str, depth: int = 0) -> object:
    """What stands at `path`, with other people and addresses in it, and without what no policy file may hold."""
    if isinstance(value, Mapping):
        inner = value.items() if depth < _MAX_DEPTH else ()
        return {_clean(str(key)): _invented(each, f"{path}.{key}", depth + 1) for key, each in inner}
    if isinstance(value, list):
        return [_invented(each, path, depth + 1) for each in value] if depth < _MAX_DEPTH else []
    if not isinstance(value, str):
        return value
    if value.strip() and _names_a_person(path):
        return _ADDRESS if "@" in value else "Robin"
    return _clean(_WORD.sub(lambda word: _without_address(word[0]), value))


def _names_a_person(path: str) -> bool:
    *before, last = path.lower().split(".")
    named = last in _NAMES and not _WHO.isdisjoint(before) and before[-1] != "service_account"
    return named or last in _PEOPLE


def _without_address(word: str) -> str:
    if _EMAIL.fullmatch(word):
        return _ADDRESS
    try:
        return "192.0.2.1" if ipaddress.ip_address(word).version == 4 else "2001:db8::1"
    except ValueError:
        return word


def _clean(text: str) -> str:
    return "".join(each for each in text if each.isprintable())
