"""Telling stored audit events as they arrive, each once, in memory that does not grow."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from auditor.store import history, watermarks
from auditor.store.database import Store
from auditor.store.events import StoredEvent
from auditor.store.history import Wanted
from auditor.terms import Stream

LAG = 120
"""Seconds of arrival that are looked at again: two processes may read the log, and commit in the other order."""
REACH = 8 * 86_400
"""Seconds that an event may have needed to arrive; what is older was read by a first backfill, and is no news."""
REMEMBERED = 200_000
"""Ids that are kept in mind; in a larger burst within LAG some events are told twice, and none is left out."""


class Follower:
    """Follows the store of one organization from the moment of its making."""

    def __init__(self, store: Store, organization: str) -> None:
        self._store = store
        self._organization = organization
        self._marks: dict[Stream, int] = {}
        self._told: dict[str, None] = {}
        for stream, polled_at in self._polls().items():
            self._marks[stream] = polled_at
            # Remembered, and told to nobody: it was there before anybody looked.
            deque(self._arrived(stream, polled_at), maxlen=0)

    def news(self) -> Iterator[StoredEvent]:
        """What arrived since the last call; asks for two rows when nothing was read meanwhile. Raises StoreError."""
        for stream, polled_at in self._polls().items():
            if self._marks.get(stream) != polled_at:
                yield from self._arrived(stream, polled_at)
                self._marks[stream] = polled_at

    def _polls(self) -> dict[Stream, int]:
        """When each stream was last read: only then can anything have arrived."""
        with self._store.transaction() as tx:
            marks = {stream: watermarks.read(tx, self._organization, stream) for stream in Stream}
        return {stream: mark.polled_at for stream, mark in marks.items() if mark}

    def _arrived(self, stream: Stream, polled_at: int) -> Iterator[StoredEvent]:
        after = self._marks[stream] - LAG if stream in self._marks else None
        wanted = Wanted(since=polled_at - REACH, stream=stream, arrived_after=after)
        for event in history.walk(self._store, self._organization, wanted):
            if event.id in self._told:
                continue
            self._remember(event.id)
            yield event

    def _remember(self, event: str) -> None:
        self._told[event] = None
        if len(self._told) > REMEMBERED:
            for oldest in list(islice(self._told, REMEMBERED // 10)):
                del self._told[oldest]
