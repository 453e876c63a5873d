"""From a detection to closures: True, False, or None where a gap hides the answer (Kleene's logic). Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from auditor.inventory.model import Fields, Unknown
from auditor.policy.comparison import Presence, Reference, Test
from auditor.policy.conditions import Condition, Named
from auditor.policy.grammar import Comparison, Detection, Selection

Answer = bool | None
"""None: unknown."""
Asked = Callable[[Fields, int], Answer]
"""Asked of the fields of a record at a time in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A compiled detection."""

    asked: Asked
    selections: Mapping[str, Asked]
    fields: frozenset[str]
    """Every field that may be read."""
    detection: Detection
    """What was compiled."""

    def matched(self, fields: Fields, now: int) -> tuple[str, ...]:
        """Names of the selections that hold, for the evidence."""
        return tuple(name for name, asked in self.selections.items() if asked(fields, now))


def compile_detection(detection: Detection) -> Matcher:
    """The detection as a function."""
    selections = {name: compile_selection(each) for name, each in detection.selections.items()}
    return Matcher(_condition(detection.condition, selections), selections, detection.fields, detection)


def compile_selection(selection: Selection) -> Asked:
    """Any alternative, each with all its comparisons."""
    return _any([_all([compile_comparison(each) for each in alternative]) for alternative in selection.alternatives])


def _condition(condition: Condition, selections: Mapping[str, Asked]) -> Asked:
    if isinstance(condition, Named):
        return selections[condition.name]
    operands = [_condition(each, selections) for each in condition.operands]
    if condition.operator == "not":
        return _negated(operands[0])
    return _all(operands) if condition.operator == "and" else _any(operands)


def _any(operands: list[Asked]) -> Asked:
    if len(operands) == 1:
        return operands[0]

    def asked(fields: Fields, now: int) -> Answer:
        answer: Answer = False
        for operand in operands:
            said = operand(fields, now)
            if said:
                return True
            if said is None:
                answer = None
        return answer

    return asked


def _all(operands: list[Asked]) -> Asked:
    if len(operands) == 1:
        return operands[0]

    def asked(fields: Fields, now: int) -> Answer:
        answer: Answer = True
        for operand in operands:
            said = operand(fields, now)
            if said is False:
                return False
            if said is None:
                answer = None
        return answer

    return asked


def _negated(operand: Asked) -> Asked:
    def asked(fields: Fields, now: int) -> Answer:
        said = operand(fields, now)
        return None if said is None else not said

    return asked


def compile_comparison(comparison: Comparison) -> Asked:
    """The comparison as a function."""
    if comparison.references:
        return _referring(comparison)
    tests, every = comparison.tests, comparison.every and bool(comparison.tests)
    holds = tested(tests, every=every)
    field = comparison.field

    def asked(fields: Fields, now: int) -> Answer:
        value = fields.get(field) if field else texts(fields)
        if isinstance(value, Unknown):
            return _kleene([_partly(test, value, now) for test in tests], every=every)
        return holds(value, now)

    return _negated(asked) if comparison.negated else asked


def _referring(comparison: Comparison) -> Asked:
    said, names = referring(comparison), comparison.fields

    def asked(fields: Fields, now: int) -> Answer:
        return said(*map(fields.get, names))

    return _negated(asked) if comparison.negated else asked


def referring(comparison: Comparison) -> Callable[..., Answer]:
    """A comparison with other fields, not negated, asked of the values of `comparison.fields` in their order."""
    references, every = comparison.references, comparison.every

    def said(value: object, *others: object) -> Answer:
        pairs = zip(references, others, strict=True)
        return _kleene([_refers(each, value, other) for each, other in pairs], every=every)

    return said


def _refers(reference: Reference, value: object, other: object) -> Answer:
    if any(reference.holds(one, two) for one in _seen(value) for two in _seen(other)):
        return True
    return None if isinstance(value, Unknown) or isinstance(other, Unknown) else False


def _seen(value: object) -> Sequence[object]:
    if isinstance(value, Unknown):
        return value.known
    return value if isinstance(value, list) else (value,)


def texts(fields: Fields) -> list[str]:
    """Every text of a record: where a keyword is looked for."""
    return [each for each in fields.values() if isinstance(each, str)]


def tested(tests: Sequence[Test], *, every: bool) -> Test:
    """Whether a value that was seen passes any of the tests, or every one."""
    join = all if every else any
    return lambda value, now: join(_met(test, value, now) for test in tests)


def _met(test: Test, value: object, now: int) -> bool:
    """Whether the value passes: one that is a list does when any element does."""
    if isinstance(value, list) and not isinstance(test, Presence):
        return any(test(each, now) for each in value)
    return test(value, now)


def _partly(test: Test, value: Unknown, now: int) -> Answer:
    """What was seen of a list may suffice; that something is not among what was seen proves nothing."""
    if isinstance(test, Presence):
        return test(value.known, now) if value.known else None
    return any(test(each, now) for each in value.known) or None


def _kleene(answers: list[Answer], *, every: bool) -> Answer:
    """`and` of the answers, or `or`: one that decides wins over those that are unknown."""
    decisive = not every
    if decisive in answers:
        return decisive
    return None if None in answers else every
