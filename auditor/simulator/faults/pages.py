"""Pages that lie: about their items, their cursor, and whether more of them follow."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.simulator.faults.rules import Page

Envelope = dict[str, Any]
_KEPT = 64
"""Pages of one walk that are remembered for repeats and loops."""


@dataclass(frozen=True)
class Turn:
    """One page of a walk: what is honest, what went before, and a way to read on."""

    honest: Envelope
    before: Sequence[Envelope]
    """Honest bodies of the earlier pages."""
    read: Callable[[str, str], Awaitable[Envelope]]
    """The honest page that a parameter of this value gives."""


async def spoil(fault: Page, turn: Turn) -> Envelope:
    """What goes out instead of the honest page. A fault that needs an earlier or a later page waits for one."""
    if fault.page == "missing":
        cursor = _cursor(turn.honest)
        name = "page" if "next_page" in turn.honest else "after"
        return await turn.read(name, cursor) if turn.honest["has_more"] and cursor else turn.honest
    if fault.page == "size_ignored":
        return await turn.read("limit", "1")
    if fault.page == "loop":
        return turn.before[-fault.length] if len(turn.before) >= fault.length else turn.honest
    return {**turn.honest, **_LIES[fault.page](turn.honest, turn.before[-1:])}


def remember(pages: list[Envelope], body: Envelope) -> None:
    """Add the honest `body` to the `pages` of its walk."""
    pages.append(body)
    del pages[:-_KEPT]


def _cursor(body: Envelope) -> str | None:
    """What asks for the page after `body`; an item's id where the envelope says nothing."""
    found = body.get("next") or body.get("next_page") or body.get("last_id")
    return str(found) if found else None


def _ends(items: Sequence[Any]) -> Envelope:
    """`first_id` and `last_id` that agree with the items."""
    ids = [item["id"] for item in items if isinstance(item, dict) and "id" in item]
    return {"first_id": ids[0], "last_id": ids[-1]} if ids else {"first_id": None, "last_id": None}


_CURSORS = frozenset({"last_id", "next", "next_page"})
_POINTERS = _CURSORS | {"first_id"}
Lie = Callable[[Envelope, Sequence[Envelope]], Envelope]


def _shifted_back(body: Envelope, before: Sequence[Envelope]) -> Envelope:
    """A row was inserted further up: what was the last row of the page before comes again."""
    return {"data": [*(each for page in before for each in page["data"][-1:]), *body["data"]]}


_LIES: Mapping[str, Lie] = {
    "repeated": lambda body, before: {"data": before[-1]["data"]} if before else {},
    "no_cursor": lambda body, before: {"has_more": True} | dict.fromkeys(_CURSORS & body.keys()),
    "no_has_more": lambda body, before: {"has_more": ...},
    "null_has_more": lambda body, before: {"has_more": None},
    "ends_early": lambda body, before: {"has_more": False} | dict.fromkeys({"next", "next_page"} & body.keys()),
    "ends_with_cursor": lambda body, before: {"has_more": False},
    "promises_more": lambda body, before: {"has_more": True},
    "empty": lambda body, before: {"data": [], "has_more": True},
    "empty_end": lambda body, before: {"data": [], "has_more": False} | dict.fromkeys(_POINTERS & body.keys()),
    "without_first": lambda body, before: {"data": body["data"][1:]},
    "without_last": lambda body, before: {"data": body["data"][:-1]},
    "without_middle": lambda body, before: {"data": [*body["data"][:1], *body["data"][2:]]},
    "shifted_back": _shifted_back,
    "shifted_forth": lambda body, before: {"data": body["data"][1:]} | _agreeing(body, body["data"][1:]),
    "reversed": lambda body, before: {"data": body["data"][::-1]} | _agreeing(body, body["data"][::-1]),
    "null_ends": lambda body, before: dict.fromkeys({"first_id", "last_id"} & body.keys()),
}


def _agreeing(body: Envelope, items: Sequence[Any]) -> Envelope:
    return _ends(items) if "last_id" in body else {}
