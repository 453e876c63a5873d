"""Walking the pages of a list, in the four styles of the Admin API, with a guard against every known lie."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from auditor.adminapi.client import AdminClient, Params
from auditor.adminapi.envelope import Envelope, decode, last_of
from auditor.adminapi.guard import Guard
from auditor.adminapi.resourcetypes import Paging, ResourceType
from auditor.errors import ApiError

MAX_PAGES = 20_000
"""Pages of one walk; at 100 items a page, 2 million items."""


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
    async for page in follow(client, path, kind.paging, params + limit, first.content, first.date, kind.turned):
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
    client: AdminClient,
    path: str,
    paging: Paging,
    params: Params,
    content: bytes,
    date: str | None,
    turned: str = "",
) -> AsyncIterator[Page]:
    """The pages from the first one's `content` on.

    `turned` is the value of `order` that turns the list around, where that is needed to see whether it was whole.
    Raises ApiError for a cursor that comes back, `has_more` without a cursor or missing, a page that brings nothing
    new, a full last page behind which there is more, and for too many pages.
    """
    guard = Guard(asked=int(dict(params).get("limit", "0")))
    for _ in range(MAX_PAGES):
        envelope = decode(content)
        yield Page(envelope.items, date)
        guard.page(envelope)
        if envelope.has_more is None:
            raise ApiError("the list does not say whether it has more pages (`has_more` is missing)")
        if not envelope.has_more:
            if guard.doubtful(envelope):
                await _prove_the_end(client, path, paging, params, turned, envelope, guard)
            return
        cursor = _cursor(envelope, paging)
        guard.cursor(cursor)
        body = await client.get(path, (*params, (_parameter(paging), cursor)))
        content, date = body.content, body.date
    raise ApiError(f"the list has more than {MAX_PAGES} pages")


async def _prove_the_end(
    client: AdminClient, path: str, paging: Paging, params: Params, turned: str, last: Envelope, guard: Guard
) -> None:
    """Ask for what would come behind the last page: a list that is cut at a full page looks like one that ends there.

    Where no cursor can be made up, the list is asked for its other end instead.
    """
    cursor = last_of(last) if paging in {Paging.LAST_ID, Paging.LAST_ITEM} else None
    if cursor:
        body = await client.get(path, (*params, (_parameter(paging), cursor)))
    elif turned:
        body = await client.get(path, (*params, ("order", turned)))
    else:
        return
    guard.nothing_new(decode(body.content))


def _parameter(paging: Paging) -> str:
    return "page" if paging is Paging.PAGE else "after"


def _cursor(envelope: Envelope, paging: Paging) -> str:
    match paging:
        case Paging.NEXT:
            cursor = envelope.next
        case Paging.PAGE:
            cursor = envelope.next_page
        case Paging.LAST_ID:
            cursor = envelope.last_id or last_of(envelope)
        case _:
            cursor = last_of(envelope)
    if not cursor:
        raise ApiError("the list has more pages but gives no cursor to the next one")
    return cursor
