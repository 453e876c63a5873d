"""Policies compiled to be asked of many records: all of a kind at once, and of events all that can match their type.

What the fused function cannot answer, because something is hidden, and what it fails at, is asked of each policy by
itself. Pure.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial

from auditor.adminapi.fields import Type
from auditor.inventory.model import Fields, Record
from auditor.inventory.schema import EVENT_FIELDS, KINDS, fields_of
from auditor.policy.compile import Asked, compile_comparison
from auditor.policy.fusing import Fused, Question, fuse
from auditor.policy.grammar import Comparison, comparisons
from auditor.policy.quick import Quick, Swept, Told, quick, sweep
from auditor.policy.quickreads import Unusual

MAX_TYPES = 2000
"""Types of events for which the functions are kept; the audit log knows some 150."""


@dataclass(slots=True)
class Sorted:
    """The records that one policy was asked of."""

    matching: list[Record] = field(default_factory=list)
    undecided: list[Record] = field(default_factory=list)
    excepted: int = 0
    """How many it does not apply to."""
    asked: int = 0

    @property
    def passed(self) -> int:
        """How many comply."""
        return self.asked - self.excepted - len(self.matching) - len(self.undecided)


class StateProgram:
    """The policies of one kind of resource."""

    def __init__(self, kind: str, questions: Sequence[Question]) -> None:
        self._questions = questions
        self._swept = _swept(questions, kind)
        self._fused = _lazily(partial(_fused, tuple(enumerate(questions)), {}, _lists_of(kind)))

    def sort(self, records: Sequence[Record], now: int) -> list[Sorted]:
        """Of each policy, in their order, what it says of the records at `now` (Unix seconds)."""
        found = [Sorted(asked=len(records)) for _ in self._questions]
        matching = [each.matching for each in found]
        excepted: list[list[Record]] = [[] for _ in found]

        def left(record: Record) -> None:
            for told in (*matching, *excepted):
                if told and told[-1] is record:
                    told.pop()
            self._slowly(record, now, found)

        self._swept(records, now, [each.append for each in matching], [each.append for each in excepted], left)
        for one, others in zip(found, excepted, strict=True):
            one.excepted += len(others)
        return found

    def _slowly(self, record: Record, now: int, found: Sequence[Sorted]) -> None:
        try:
            said = self._fused(record.fields, now)
        except Exception:  # noqa: BLE001 - whatever it is, each policy answers for itself then, or raises
            said = None
        if said is None:
            self._each(record, now, found)
            return
        for number in said:
            if number >= 0:
                found[number].matching.append(record)
            else:
                found[~number].excepted += 1

    def _each(self, record: Record, now: int, found: Sequence[Sorted]) -> None:
        for question, sorted_ in zip(self._questions, found, strict=True):
            applies = question.applies(record.fields, now) if question.applies else True
            if applies is False:
                sorted_.excepted += 1
                continue
            answer = question.matcher.asked(record.fields, now)
            # It complies if it would even where the policy applied; else what hides whether it applies hides the rest.
            if answer is None or (applies is None and answer):
                sorted_.undecided.append(record)
            elif answer:
                sorted_.matching.append(record)


@dataclass(frozen=True, slots=True)
class _Lane:
    """How events of a type are judged."""

    quick: Quick
    fused: tuple[Fused, ...]
    """For those that hold something unusual: a function for events without lists, and one for the others. Each is made
    when the first of them comes."""


class EventProgram:
    """Event rules, of which each event is asked only those that can match its type."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions
        self._asked_of_type = tuple(_asked_of_type(questions))
        self._of_type: dict[str, _Lane] = {}
        self._quick: dict[str, Quick] = {}
        self._of_answers: dict[Hashable, _Lane] = {}

    def hits(self, events: Iterable[Record], now: int) -> Iterator[tuple[Record, Sequence[int]]]:
        """The events that any rule matches, each with the numbers of the rules, in their order."""
        lanes = self._quick
        for event in events:
            fields = event.fields
            try:
                numbers: Sequence[int] = lanes[fields["type"]](fields, now)  # type: ignore[index]
            except Exception:  # noqa: BLE001 - a type that is new, or none, or something unusual
                numbers = self._again(fields, now)
            if numbers:
                yield event, numbers

    def _again(self, fields: Fields, now: int) -> Sequence[int]:
        kind = fields.get("type")
        lane = self._of_type.get(kind) if type(kind) is str else None
        return self._slowly(lane, fields, now) if lane else self.matching(fields, now)

    def matching(self, fields: Fields, now: int) -> Sequence[int]:
        """The numbers of the rules that match an event, in their order."""
        kind = fields.get("type")
        if type(kind) is not str:
            return self._each(fields, now)
        lane = self._of_type.get(kind) or self._make(kind)
        try:
            return lane.quick(fields, now)
        except Exception:  # noqa: BLE001 - whatever it is, who is slower knows more
            return self._slowly(lane, fields, now)

    def _slowly(self, lane: _Lane, fields: Fields, now: int) -> Sequence[int]:
        for fused in lane.fused:
            try:
                said = fused(fields, now)
            except Exception:  # noqa: BLE001, S112 - whatever it is, each rule answers for itself then, or raises
                continue
            if said is not None:
                return said
        return self._each(fields, now)

    def _each(self, fields: Fields, now: int) -> list[int]:
        return [i for i, each in enumerate(self._questions) if each.matcher.asked(fields, now) is True]

    def _make(self, kind: str) -> _Lane:
        """The lane of a type. Types of which the rules know the same share one: nobody fills the memory with types."""
        known = {"type": kind}
        answers: Hashable = tuple(asked(known, 0) for asked in self._asked_of_type)
        if len(self._of_type) >= MAX_TYPES or len(self._of_answers) >= MAX_TYPES:
            self._of_type.clear()
            self._quick.clear()
            self._of_answers.clear()
        if answers not in self._of_answers:
            numbered = tuple(enumerate(self._questions))
            lists = (_no_lists, list_in_event)
            fused = (_lazily(partial(_fused, numbered, known, may_be_list)) for may_be_list in lists)
            self._of_answers[answers] = _Lane(_quick(numbered, known), tuple(fused))
        lane = self._of_type[kind] = self._of_answers[answers]
        self._quick[kind] = lane.quick
        return lane


def _no_lists(_name: str) -> bool:
    return False


def list_in_event(name: str) -> bool:
    """Whether a list is nothing unusual in a field of events: payloads are open."""
    return name not in EVENT_FIELDS


def _lists_of(kind: str) -> Callable[[str], bool]:
    fields = fields_of(kind) if kind in KINDS else {}
    return lambda name: name not in fields or fields[name].type in {Type.STRINGS, Type.ANY}


def _swept(questions: Sequence[Question], kind: str) -> Swept:
    try:
        return sweep(questions, _lists_of(kind))
    except (ValueError, RecursionError, MemoryError):
        return _leave_all


def _leave_all(
    records: Sequence[Record], _now: int, _matching: Sequence[Told], _excepted: Sequence[Told], left: Told
) -> None:
    for record in records:
        left(record)


def _fused(
    questions: Sequence[tuple[int, Question]], known: Mapping[str, object], may_be_list: Callable[[str], bool]
) -> Fused:
    try:
        return fuse(questions, known, may_be_list)
    except (ValueError, RecursionError, MemoryError):
        return lambda _record, _now: None


def _quick(questions: Sequence[tuple[int, Question]], known: Mapping[str, object]) -> Quick:
    try:
        return quick(questions, known)
    except (ValueError, RecursionError, MemoryError):
        return _no_answer


def _no_answer(_fields: object, _now: int) -> list[int]:
    raise Unusual


def _lazily(make: Callable[[], Fused]) -> Fused:
    once = cache(make)

    def fused(record: object, now: int) -> list[int] | None:
        return once()(record, now)

    return fused


def _asked_of_type(questions: Sequence[Question]) -> Iterator[Asked]:
    """What the rules ask of the type alone, each thing once."""
    found: dict[tuple[object, ...], Comparison] = {}
    for question in questions:
        for selection in question.matcher.detection.selections.values():
            found |= {_meaning(each): each for each in comparisons(selection) if each.field == "type"}
    return (compile_comparison(each) for each in found.values())


def _meaning(comparison: Comparison) -> tuple[object, ...]:
    return comparison.source, comparison.every, comparison.negated


@lru_cache(maxsize=256)
def state_program(kind: str, questions: tuple[Question, ...]) -> StateProgram:
    """The program of these policies; it is made once."""
    return StateProgram(kind, questions)


@lru_cache(maxsize=256)
def event_program(rules: tuple[Question, ...]) -> EventProgram:
    """The program of these rules; it is made once."""
    return EventProgram(rules)
