"""The rules of `auditevents` for other engines, each in its own form."""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import ModuleType
from typing import Any

from panther_core.enriched_event import PantherEvent
from panther_core.rule import Rule
from sigma.backends.sqlite.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

from peers.conditions import All, Condition, Leaf, No, joined
from peers.rules import sigma
from peers.timing import Matches

Event = Mapping[str, Any]
Run = tuple[Callable[[Sequence[Event]], Any], Callable[[Any], Matches]]
"""What judges events, and what its result means."""


def panther(rules: Mapping[str, Condition], type_: "PantherType") -> Run:
    """panther_core: `rule()` of each rule, asked of its own kind of event; no title, no deduplication.

    In the style of Panther's own rules: the type first, `deep_get` for each field, networks made in the rule.
    """
    compiled = [(name, _panther_rule(name, condition, type_)) for name, condition in rules.items()]

    def run(events: Sequence[Event]) -> Any:
        found = []
        for event in events:
            seen = PantherEvent(event)
            for name, rule in compiled:
                if rule(seen):
                    found.append((name, event["id"]))
        return found

    return run, set


class PantherType(StrEnum):
    """How a rule compares the type of an event. Our rules, as Sigma's, ignore the case of every text."""

    AS_IT_IS = "event.get('type')"
    """In the case in which the API writes it, which is all that its author needs, and the fastest."""
    FOLDED = "event.get('type', '').lower()"
    DEEP = "event.deep_get('type', default='').lower()"
    """As every other field is read."""


def _panther_rule(name: str, condition: Condition, type_: PantherType) -> Callable[[Any], bool]:
    head = "from ipaddress import ip_address, ip_network\nimport re\n\ndef rule(event):\n"
    made = Rule({"id": name, "versionId": "1", "body": f"{head}    return bool({_panther(condition, type_)})\n"})
    module = made.module
    assert isinstance(module, ModuleType)
    rule: Callable[[Any], bool] = module.rule
    return rule


def _panther(condition: Condition, type_: PantherType) -> str:
    if isinstance(condition, Leaf):
        steps = ", ".join(map(repr, condition.field.split(".")))
        if condition.field == "type":
            return f"{type_} {'==' if condition.how == 'is' else 'in'} {condition.value!r}"
        return _PANTHER[condition.how](f"event.deep_get({steps}", condition.value)
    if isinstance(condition, No):
        return f"not {_panther(condition.part, type_)}"
    return joined(
        [_panther(part, type_) for part in condition.parts], " and " if isinstance(condition, All) else " or "
    )


_PANTHER: Mapping[str, Callable[[str, Any], str]] = {
    "is": lambda get, value: f"{get}, default='').lower() == {str(value).lower()!r}",
    "in": lambda get, value: f"{get}, default='').lower() in {[each.lower() for each in value]!r}",
    "null": lambda get, _value: f"{get}) is None",
    "starts": lambda get, value: f"{get}, default='').lower().startswith({value.lower()!r})",
    "ends": lambda get, value: f"{get}, default='').lower().endswith({value.lower()!r})",
    "holds": lambda get, value: f"{value.lower()!r} in {get}, default='').lower()",
    "regex": lambda get, value: f"re.search({value!r}, {get}, default=''))",
    "over": lambda get, value: f"{get}, default=0) > {value!r}",
    "under": lambda get, value: f"{get}, default=0) < {value!r}",
    "network": lambda get, value: f"ip_address({get})) in ip_network({value!r})",
}


def sqlite(rules: Mapping[str, Condition], sample: Sequence[Event]) -> Run:
    """SQLite as Zircolite uses it: every event flattened into a table in memory that ignores case, a query for a rule.

    The columns are known before, which Zircolite finds out in the same pass.
    """
    queries = []
    for name, condition in rules.items():
        rule: Any = sigma(name, condition)
        backend = sqliteBackend()  # type: ignore[no-untyped-call]
        (query,) = backend.convert(SigmaCollection.from_dicts([rule]))
        queries.append((name, query))
    fields = list(dict.fromkeys(name for event in sample for name in _flat(event)))
    numbers = {"effective_at", "payload.count"}
    columns = ", ".join(f"`{each}` {'INTEGER' if each in numbers else 'TEXT COLLATE NOCASE'}" for each in fields)
    insert = f"INSERT INTO logs VALUES (NULL, {', '.join('?' * len(fields))})"  # noqa: S608 - only question marks

    def run(events: Sequence[Event]) -> Any:
        database = sqlite3.connect(":memory:")
        database.create_function("regexp", 2, _searched, deterministic=True)
        database.execute(f"CREATE TABLE logs (row_id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})")
        database.executemany(insert, ([row.get(field) for field in fields] for row in map(_flat, events)))
        found = [(name, database.execute(query).fetchall()) for name, query in queries]
        database.close()
        return found

    place = fields.index("id") + 1
    return run, lambda found: {(name, row[place]) for name, rows in found for row in rows}


def _searched(pattern: str, text: str | None) -> bool:
    return text is not None and re.search(pattern, text) is not None


def _flat(event: Event) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def put(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                put(inner, f"{name}.{key}" if name else key)
        elif isinstance(value, list):
            flat[name] = str(value)
        else:
            flat[name] = value

    put(event, "")
    return flat
