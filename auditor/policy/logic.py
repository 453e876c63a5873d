"""A detection as one tree of comparisons, with what is known beforehand taken out of it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from auditor.policy.compile import compile_comparison
from auditor.policy.conditions import Condition, Named
from auditor.policy.grammar import Comparison, Detection, Selection


@dataclass(frozen=True, slots=True)
class Junction:
    """`and`, `or` of two or more, `not` of one."""

    operator: str
    operands: tuple["Term", ...]


Term = bool | Comparison | Junction


def of_detection(detection: Detection, known: Mapping[str, object]) -> Term:
    """The detection of records whose fields in `known` have these values."""
    selections = {name: of_selection(each, known) for name, each in detection.selections.items()}
    return _of_condition(detection.condition, selections)


def of_selection(selection: Selection, known: Mapping[str, object]) -> Term:
    """Any alternative, each with all its comparisons."""
    return _joined(
        "or",
        (_joined("and", (_of(each, known) for each in alternative)) for alternative in selection.alternatives),
    )


def _of(comparison: Comparison, known: Mapping[str, object]) -> Term:
    decided = bool(comparison.fields) and known.keys() >= set(comparison.fields)
    return compile_comparison(comparison)(known, 0) is True if decided else comparison


def _of_condition(condition: Condition, selections: Mapping[str, Term]) -> Term:
    if isinstance(condition, Named):
        return selections[condition.name]
    operands = (_of_condition(each, selections) for each in condition.operands)
    return _negated(next(operands)) if condition.operator == "not" else _joined(condition.operator, operands)


def _negated(term: Term) -> Term:
    return not term if isinstance(term, bool) else Junction("not", (term,))


def _joined(operator: str, terms: Iterable[Term]) -> Term:
    """One that decides is the whole; those that cannot are left out."""
    decisive = operator == "or"
    left: list[Term] = []
    for term in terms:
        if term is decisive:
            return decisive
        if not isinstance(term, bool):
            left.append(term)
    if not left:
        return not decisive
    return left[0] if len(left) == 1 else Junction(operator, tuple(left))


def comparisons_of(term: Term) -> Iterator[Comparison]:
    """Every comparison of a term, as often as it stands there."""
    if isinstance(term, Comparison):
        yield term
    elif isinstance(term, Junction):
        for each in term.operands:
            yield from comparisons_of(each)


def depth_of(term: Term) -> int:
    """How deep its junctions are nested."""
    return 1 + max(map(depth_of, term.operands)) if isinstance(term, Junction) else 0
