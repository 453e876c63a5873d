"""What all relations are made with: look-ups over a snapshot that remember what may hide the answer."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from auditor.inventory.model import Gap, Record, Scope, Snapshot, Unknown

Joined = Mapping[str, object]
K = TypeVar("K")
V = TypeVar("V")


class Lookup:
    """Records and gaps of a snapshot, by kind."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def records(self, kind: str) -> tuple[Record, ...]:
        """What was seen of a kind."""
        return self._snapshot.collection(kind).records

    def gaps(self, kind: str, scope: Scope | None = None) -> tuple[Gap, ...]:
        """Gaps of a kind; with a `scope`, those that may hide something within it."""
        gaps = self._snapshot.collection(kind).gaps
        if scope is None or not gaps:
            return gaps
        return tuple(gap for gap in gaps if gap.scope == scope[: len(gap.scope)])


def unsure(records: Iterable[Record], *names: str) -> Unknown | None:
    """The first value of these fields that could not be seen: what hangs on it cannot be seen either."""
    values = (record.fields.get(name) for record in records for name in names)
    return next((value for value in values if isinstance(value, Unknown)), None)


def listed(values: Iterable[str], gaps: tuple[Gap, ...], hidden: Unknown | None = None) -> object:
    """A list, or, with gaps or something that could not be seen, what is known of it."""
    values = tuple(values)
    if hidden:
        return Unknown(gaps + hidden.gaps, values, hidden.why)
    return Unknown(gaps, values) if gaps else list(values)


def counted(number: int, gaps: tuple[Gap, ...], hidden: Unknown | None = None) -> object:
    """A number, Unknown with gaps or something that could not be seen."""
    if hidden:
        return Unknown(gaps + hidden.gaps, why=hidden.why)
    return Unknown(gaps) if gaps else number


def multimap(pairs: Iterable[tuple[K, V]]) -> Mapping[K, list[V]]:
    """Every value of each key, in their order."""
    result: dict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        result[key].append(value)
    return result


def strings(value: object) -> list[str]:
    """The texts of a list."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def unique(values: Iterable[str]) -> list[str]:
    """Each text once, sorted."""
    return sorted(set(values))
