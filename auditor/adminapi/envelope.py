"""The frame around the items of a page: decoded strictly, because half of what can hide an item hides in it."""

import json
from collections.abc import Sequence

import msgspec

from auditor.errors import ApiError


class Envelope(msgspec.Struct):
    """What a list sends, the items still as bytes."""

    data: list[msgspec.Raw]
    has_more: bool | None = None
    first_id: str | None = None
    last_id: str | None = None
    next: str | None = None
    next_page: str | None = None

    @property
    def items(self) -> tuple[bytes, ...]:
        """The bytes of each item."""
        return tuple(bytes(item) for item in self.data)


class _Item(msgspec.Struct):
    id: str | None = None
    group_id: str | None = None


class TwoOfAKey(ValueError):
    """An object has one key twice, and parsers do not agree on which of them counts."""


def decode(content: bytes) -> Envelope:
    """The envelope in a body. Raises ApiError when it is not shaped as documented, or says one thing twice."""
    try:
        envelope = msgspec.json.decode(content, type=Envelope)
        refuse_two_of_a_key(_frame(content, envelope.items))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ApiError(f"the list is not shaped as documented: {error}") from error
    return envelope


def refuse_two_of_a_key(content: bytes) -> None:
    """Raises TwoOfAKey when an object anywhere in `content` has a key twice, another ValueError for what is no JSON."""
    _ONCE.decode(content.decode())


def _once(pairs: Sequence[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise TwoOfAKey("a key stands twice in one object")


_ONCE = json.JSONDecoder(object_pairs_hook=_once)


def _frame(content: bytes, items: Sequence[bytes]) -> bytes:
    """`content` with a zero for each item."""
    parts = []
    at = 0
    for item in items:
        start = content.index(item, at)
        parts.append(content[at:start])
        at = start + len(item)
    return b"0".join([*parts, content[at:]])


def ids_of(envelope: Envelope) -> list[str]:
    """Identities of the items that have one, in order."""
    return [identity for item in envelope.data if (identity := _identity(item))]


def last_of(envelope: Envelope) -> str | None:
    """Id of the last item."""
    return _identity(envelope.data[-1]) if envelope.data else None


def _identity(item: msgspec.Raw) -> str | None:
    try:
        found = msgspec.json.decode(item, type=_Item)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found.id or found.group_id
