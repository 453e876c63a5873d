"""Event rules and correlations over very many stored events: what matches, from the raw bytes. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from auditor.detection.completing import completing
from auditor.detection.model import BaseMatch
from auditor.inventory.events import record_at
from auditor.inventory.model import Record
from auditor.policy.evaluate import base_matches
from auditor.policy.fusing import Fused, fuse, nothing
from auditor.policy.policyset import Correlated, Judge, PolicySet
from auditor.policy.program import MAX_TYPES, EventProgram, list_in_event
from auditor.policy.rawevents import RawEvents


class RawEvent(NamedTuple):
    """An event as it is stored."""

    id: str
    type: str
    effective_at: int
    """Unix seconds."""
    raw: bytes
    """The bytes the API sent."""


StoredRow = tuple[str, str, int, bytes]
"""What a RawEvent is made of: a row of the store will do."""

Dated = Callable[[Record], Record]
"""Puts the operator's calendar to an event: `Calendar.dated`."""


def as_it_is(event: Record) -> Record:
    """Without a calendar."""
    return event


@dataclass(frozen=True, slots=True)
class Lane:
    """How events of one type are judged: decoded in part, by a function made for that."""

    decode: Callable[[bytes], Any]
    fused: Fused
    bare: bool
    """Whether the type alone decides: nothing is decoded."""


def _undecoded(_raw: bytes) -> None:
    """Nothing of the bytes is asked for."""


def _no_answer(_record: object, _now: int) -> None:
    """Each event must be read as a whole."""


_EACH_ALONE: tuple[Callable[[bytes], Any], Fused] = (_undecoded, _no_answer)


class Scan:
    """Rules that are asked of raw events, one after the other."""

    def __init__(self, rules: Sequence[Judge], dated: Dated = as_it_is) -> None:
        self._rules = tuple(rules)
        self._dated = dated
        self._program = EventProgram(self._rules)
        self._lanes: dict[str, Lane | None] = {}

    def types(self, stored: Iterable[str]) -> list[str]:
        """Those of the stored types of which some event could match: nobody needs to read the others."""
        lanes = {kind: self.lane(kind) for kind in stored}
        return [kind for kind, lane in lanes.items() if lane is None or lane.fused is not nothing]

    def matching(self, event: RawEvent) -> Sequence[int]:
        """The numbers of the rules that match an event, in their order. Raises ValueError when it is no event."""
        return next((numbers for _, numbers in self.hits([event])), ())

    def bare(self, kind: str) -> bool:
        """Whether nobody needs the bytes of the events of a type to say which rules match."""
        lane = self.lane(kind)
        return lane is not None and lane.bare

    def hits(self, events: Iterable[StoredRow]) -> Iterator[tuple[StoredRow, Sequence[int]]]:
        """The events that any rule matches, each with the numbers of the rules, in their order.

        Raises ValueError when something is no event.
        """
        of, decode, fused = "", *_EACH_ALONE
        for event in events:
            _, kind, at, raw = event
            if kind != of:
                of, lane = kind, self.lane(kind)
                decode, fused = (lane.decode, lane.fused) if lane else _EACH_ALONE
            try:
                said: Sequence[int] | None = fused(decode(raw), at)
            except Exception:  # noqa: BLE001 - whatever it is, the event is judged as it would be alone
                said = None
            if said is None:
                said = self._alone(RawEvent._make(event))
            if said:
                yield event, said

    def _alone(self, event: RawEvent) -> Sequence[int]:
        return self._program.matching(self.whole(event).fields, event.effective_at)

    def whole(self, event: RawEvent) -> Record:
        """The record that policies judge, with the time that is stored. Raises ValueError when it is no event."""
        return self._dated(record_at(event.raw, event.effective_at))

    def lane(self, kind: str) -> Lane | None:
        """How events of a type are judged; None when each must be read as a whole."""
        if kind in self._lanes:
            return self._lanes[kind]
        if len(self._lanes) >= MAX_TYPES:
            self._lanes.clear()
        source = RawEvents(kind, dated=self._dated is not as_it_is)
        try:
            fused = fuse(tuple(enumerate(self._rules)), {"type": kind}, list_in_event, source)
        except (ValueError, RecursionError, MemoryError):
            self._lanes[kind] = None
        else:
            self._lanes[kind] = Lane(_undecoded if source.empty else source.decode, fused, source.empty)
        return self._lanes[kind]


class Replay:
    """What event policies and correlations would have said of stored events, which may come in any order, each once."""

    def __init__(self, policies: PolicySet, dated: Dated = as_it_is) -> None:
        self._policies = policies
        self._rules = tuple(dict.fromkeys((*policies.rules, *policies.bases.values())))
        self._scan = Scan(self._rules, dated)
        speaking = set(policies.rules)
        self._hits: list[list[tuple[int, str]] | None] = [[] if rule in speaking else None for rule in self._rules]
        self._counting = [tuple(self._counts(rule)) for rule in self._rules]
        self._counted: dict[Correlated, list[BaseMatch]] = {each: [] for each in policies.correlations}

    def _counts(self, rule: Judge) -> Iterator[Correlated]:
        bases = self._policies.bases
        return (
            each for each in self._policies.correlations if rule in [bases[name] for name in each.correlation.rules]
        )

    def types(self, stored: Iterable[str]) -> list[str]:
        """Those of the stored types that anything here can match."""
        return self._scan.types(stored)

    def bare(self, kind: str) -> bool:
        """Whether events of a type can be judged without their bytes: no correlation looks into them, either."""
        return self._scan.bare(kind) and not self._policies.correlations

    def feed(self, events: Iterable[StoredRow]) -> None:
        """Judge some more events. Raises ValueError when something is no event."""
        hits, counting = self._hits, self._counting
        for event, numbers in self._scan.hits(events):
            for number in numbers:
                if (told := hits[number]) is not None:
                    told.append((event[2], event[0]))
            if self._counted and any(counting[number] for number in numbers):
                self._count(RawEvent._make(event), {each: None for number in numbers for each in counting[number]})

    def _count(self, event: RawEvent, correlations: Iterable[Correlated]) -> None:
        record = self._scan.whole(event)
        for each in correlations:
            self._counted[each] += base_matches(each, self._policies.bases, [record])

    def matches(self) -> dict[str, tuple[str, ...]]:
        """Name of each policy that matched to the ids of the events, in the order of time.

        Of a correlation these are the events with which a window held enough.
        """
        pairs = zip(self._rules, self._hits, strict=True)
        found = {rule.policy.name: tuple(id_ for _, id_ in sorted(hits)) for rule, hits in pairs if hits}
        for correlated, counted in self._counted.items():
            events = completing(correlated.correlation, counted)
            if events:
                found[correlated.policy.name] = tuple(events)
        return found
