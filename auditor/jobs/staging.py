"""Bringing the bodies of a snapshot to the store while it is read, some hundred at a time."""

import asyncio
from collections.abc import Sequence

from auditor.errors import StoreError
from auditor.inventory.bodies import Body
from auditor.store import bodies
from auditor.store.database import Store

BATCH = 500
"""Bodies that wait in memory."""


class Staging:
    """Takes bodies from many walks at once; they are harmless in the store until a row names them."""

    def __init__(self, store: Store, now: int) -> None:
        self._store = store
        self._now = now
        self._waiting: list[Body] = []
        # One transaction at a time: two that hold the same bodies would wait for each other, and walks that are
        # faster than the store wait here.
        self._storing = asyncio.Lock()
        self._error: StoreError | None = None

    async def add(self, found: Sequence[Body]) -> None:
        """Take the bodies of one page. Raises nothing: a store that fails is told by `finish`."""
        if self._error is None:
            self._waiting += found
            if len(self._waiting) >= BATCH:
                await self._flush()

    async def finish(self) -> None:
        """Store what still waits. Raises StoreError when anything could not be stored."""
        if self._error is None:
            await self._flush()
        if self._error is not None:
            raise self._error

    async def _flush(self) -> None:
        async with self._storing:
            waiting, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._stage, waiting)
            except StoreError as error:
                self._error = error

    def _stage(self, waiting: Sequence[Body]) -> None:
        with self._store.transaction() as tx:
            bodies.stage(tx, waiting, self._now)
