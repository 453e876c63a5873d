"""Walking the pages of a list, in the four styles of the Admin API, with a guard against every known lie."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from auditor.adminapi.client import AdminClient, Params
from auditor.adminapi.resources import Paging, ResourceType
from auditor.errors import ApiError

MAX_PAGES = 20_000
"""Pages of one walk; at 100 items a page, 2 million items."""


class _Envelope(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool | None = None
    last_id: str | None = None
    next: str | None = None
    next_page: str | None = None


class _Item(msgspec.Struct):
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the bytes of its items, in the API's order."""

    items: tuple[bytes, ...]
    date: str | None = None


def path_of(kind: ResourceType, parents: Mapping[str, str]) -> str:
    """The path of `kind` below `parents` (kind to id), ids percent-encoded."""
    return kind.path.format_map({name: quote(value, safe="") for name, value in parents.items()})


async def walk(client: AdminClient, kind: ResourceType, parents: Mapping[str, str]) -> AsyncIterator[Page]:
    """Every page of a collection. A single object is a page of one item; when unset (404), of none.

    Raises ApiError where the API refuses, breaks off or lies; what was yielded before that is real.
    """
    path = path_of(kind, parents)
    if kind.paging is Paging.SINGLE:
        yield await _single(client, kind, path)
        return
    params = tuple(kind.params.items())
    limit = (("limit", str(kind.limit)),) if kind.limit else ()
    try:
        first = await client.get(path, params + limit)
    except ApiError as error:
        if error.status != 400 or not kind.limit_is_a_guess:
            raise
        limit = ()
        first = await client.get(path, params)
    async for page in follow(client, path, kind.paging, params + limit, first.content, first.date):
        yield page


async def _single(client: AdminClient, kind: ResourceType, path: str) -> Page:
    try:
        body = await client.get(path)
    except ApiError as error:
        if error.status == 404 and kind.unset_on_404:
            return Page(())
        raise
    return Page((body.content,), body.date)


async def follow(
    client: AdminClient, path: str, paging: Paging, params: Params, content: bytes, date: str | None
) -> AsyncIterator[Page]:
    """The pages from the first one's `content` on.

    Raises ApiError for a cursor that comes back, `has_more` without a cursor or missing, and for too many pages.
    """
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        envelope = _decode(content)
        yield Page(tuple(bytes(item) for item in envelope.data), date)
        if envelope.has_more is None:
            raise ApiError("the list does not say whether it has more pages (`has_more` is missing)")
        if not envelope.has_more:
            return
        cursor = _cursor(envelope, paging)
        if cursor in seen:
            raise ApiError(f"the list loops: the cursor {cursor[:80]!r} came a second time")
        seen.add(cursor)
        parameter = "page" if paging is Paging.PAGE else "after"
        body = await client.get(path, (*params, (parameter, cursor)))
        content, date = body.content, body.date
    raise ApiError(f"the list has more than {MAX_PAGES} pages")


def _decode(content: bytes) -> _Envelope:
    try:
        return msgspec.json.decode(content, type=_Envelope)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApiError(f"the list is not shaped as documented: {error}") from error


def _cursor(envelope: _Envelope, paging: Paging) -> str:
    match paging:
        case Paging.NEXT:
            cursor = envelope.next
        case Paging.PAGE:
            cursor = envelope.next_page
        case Paging.LAST_ID:
            cursor = envelope.last_id or _last_item(envelope)
        case _:
            cursor = _last_item(envelope)
    if not cursor:
        raise ApiError("the list has more pages but gives no cursor to the next one")
    return cursor


def _last_item(envelope: _Envelope) -> str | None:
    if not envelope.data:
        return None
    try:
        return msgspec.json.decode(envelope.data[-1], type=_Item).id
    except (msgspec.DecodeError, RecursionError):
        return None
