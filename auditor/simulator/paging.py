"""Cuts one page out of a list, in each of the three cursor styles of the Admin API."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from auditor.adminapi.resourcetypes import Paging
from auditor.simulator.query import Query
from auditor.simulator.refusals import bad_value

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many items a page may have, and how many it has when nobody asks."""

    default: int
    largest: int
    smallest: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its body, and the ids in it."""

    body: object
    ids: tuple[str, ...]


def cut(
    items: Sequence[T],
    query: Query,
    *,
    style: Paging,
    limits: Limits,
    id_of: Callable[[T], str],
    show: Callable[[T], object],
) -> Page:
    """The page that `query` asks for by `limit`, `after` and `before`; `show` gives what goes out for an item.

    A cursor that names no item, because it was made up or its item is gone, is refused with 400. `before` gives
    the items next to the cursor. Style NEXT hands out opaque cursors: the id of an item is no cursor there.
    """
    limit = query.whole("limit", limits.smallest, limits.largest)
    size = limits.default if limit is None else limit
    window, backwards = _window(items, query, style, id_of)
    page = window[max(0, len(window) - size) :] if backwards else window[:size]
    more = len(page) < len(window)
    ids = tuple(id_of(item) for item in page)
    body: dict[str, object] = {"object": "list", "data": [show(item) for item in page], "has_more": more}
    if style is Paging.NEXT:
        body["next"] = _seal(ids[-1]) if more and ids else None
    else:
        body["first_id"], body["last_id"] = (ids[0], ids[-1]) if ids else (None, None)
    return Page(body, ids)


def _window(items: Sequence[T], query: Query, style: Paging, id_of: Callable[[T], str]) -> tuple[Sequence[T], bool]:
    """The items between the cursors, and whether the page is cut from their end."""
    after, before = query.text("after"), query.text("before")
    first, last = 0, len(items)
    if after is not None:
        first = _place(items, _unseal(after) if style is Paging.NEXT else after, "after", id_of) + 1
    if before is not None:
        last = _place(items, before, "before", id_of)
    return items[first:last], before is not None and after is None


def _place(items: Sequence[T], cursor: str, param: str, id_of: Callable[[T], str]) -> int:
    for place, item in enumerate(items):
        if id_of(item) == cursor:
            return place
    raise bad_value(param, f"no item with id '{cursor}' in this list.", "invalid_cursor")


def _seal(id_: str) -> str:
    return "cursor_" + base64.urlsafe_b64encode(id_.encode()).decode().rstrip("=")


def _unseal(cursor: str) -> str:
    text = cursor.removeprefix("cursor_")
    try:
        if text == cursor:
            raise ValueError("not one of ours")
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (ValueError, binascii.Error):
        raise bad_value("after", "not a cursor of this list; send the `next` of the page.", "invalid_cursor") from None
