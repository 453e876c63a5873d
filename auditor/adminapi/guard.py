"""What the pages of one walk must agree on. Nothing here is promised by the API; a breach means that items may hide."""

from auditor.adminapi.envelope import Envelope, ids_of
from auditor.errors import ApiError


class Guard:
    """Watches one walk. Every method raises ApiError for a contradiction."""

    def __init__(self, asked: int) -> None:
        self._asked = asked
        """Items a page that were asked for, 0 for no number."""
        self._ids: set[str] = set()
        self._cursors: set[str] = set()
        self._pages = 0
        self._largest = 0

    def page(self, envelope: Envelope) -> None:
        """Enter a page."""
        ids = ids_of(envelope)
        if envelope.has_more and not envelope.data:
            raise ApiError("the list has an empty page, yet says that more pages follow")
        if self._ids and ids and self._ids.issuperset(ids):
            raise ApiError("the list brings a page that holds only what came before")
        _agree(envelope, ids)
        if envelope.has_more is False and (envelope.next or envelope.next_page):
            raise ApiError("the list says that no more pages follow, yet gives a cursor to the next one")
        self._ids.update(ids)
        self._pages += 1
        self._largest = max(self._largest, len(envelope.data))

    def cursor(self, cursor: str) -> None:
        """Enter the cursor of the next page."""
        if cursor in self._cursors:
            raise ApiError(f"the list loops: the cursor {cursor[:80]!r} came a second time")
        self._cursors.add(cursor)

    def doubtful(self, last: Envelope) -> bool:
        """Whether the list may have been cut at its last page: as long as a page can be, or promised and empty."""
        size = len(last.data)
        if self._pages > 1:
            return size == 0 or size >= min(self._largest, self._asked or self._largest)
        return size > 0 and size == self._asked

    def nothing_new(self, envelope: Envelope) -> None:
        """A page from behind the end, or the list from its other end, may hold only what is known."""
        if not self._ids.issuperset(ids_of(envelope)):
            raise ApiError("the list says that it is whole, yet has more items when asked again")


def _agree(envelope: Envelope, ids: list[str]) -> None:
    """`first_id` and `last_id` name items of the page, whatever its order."""
    if len(ids) != len(envelope.data):
        return
    for name, stated in (("first_id", envelope.first_id), ("last_id", envelope.last_id)):
        if stated is not None and stated not in ids:
            raise ApiError(f"the list names the item {stated[:80]!r} as `{name}`, but it is not on the page")
