"""What was asked and what went out: the oracle of every test that reads the simulator."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

_KEEP = 200_000
"""Exchanges; older ones are forgotten, so that a server may run for weeks."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    method: str
    path: str
    query: str
    """As it was sent, still encoded."""
    status: int
    """0 when a fault cut the connection before the server could answer."""
    request_id: str
    kind: str | None
    """Kind of resource, None when the path is not one of the API."""
    items: tuple[str, ...]
    """Ids that went out."""


class Ledger:
    """Every exchange of one server, in order."""

    def __init__(self) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=_KEEP)

    def __len__(self) -> int:
        return len(self._exchanges)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(list(self._exchanges))

    def add(self, exchange: Exchange) -> None:
        """Note one more."""
        self._exchanges.append(exchange)

    def clear(self) -> None:
        """Forget all, between two parts of a test."""
        self._exchanges.clear()

    def items(self, kind: str) -> list[str]:
        """Ids of `kind` that went out, in order, repeated ones repeated."""
        return [id_ for exchange in self if exchange.kind == kind for id_ in exchange.items]
