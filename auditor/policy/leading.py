"""Which test of each policy comes first: such that few fields are read for most records, which pass none. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.policy.logic import Junction, Term, comparisons_of
from auditor.policy.nesting import Item

SLOW = 100
"""What a test costs that is asked as it is asked alone; others cost less."""


@dataclass(frozen=True)
class _Candidate:
    """A test that could come first."""

    term: Term
    fields: frozenset[str]
    denies: bool
    """Whether it asks that something is not so, which most often holds: others are asked before it."""
    cost: int


def leads(items: Sequence[Item], read: Iterable[str], cost: Callable[[Term], int]) -> Mapping[int, Term]:
    """The test that is asked first of each policy, by its number, where the fields in `read` are read anyhow.

    One whose fields are read for other policies, too, is best. Policies that have no choice choose before the others.
    """
    known = set(read)
    choices = {item.number: [_candidate(each.term, cost) for each in item.operands] for item in items}
    asked = Counter(name for some in choices.values() for each in some for name in each.fields)

    def worse(each: _Candidate) -> tuple[bool, int, int, bool, int]:
        new = each.fields - known
        return each.cost >= SLOW, len(new), -sum(asked[name] for name in new), each.denies, each.cost

    found: dict[int, Term] = {}
    for number, some in sorted(choices.items(), key=lambda each: len(each[1])):
        if some:
            best = min(some, key=worse)
            known |= best.fields
            found[number] = best.term
    return found


def _candidate(term: Term, cost: Callable[[Term], int]) -> _Candidate:
    compared = list(comparisons_of(term))
    denies = any(each.negated for each in compared) or (isinstance(term, Junction) and term.operator == "not")
    return _Candidate(term, frozenset(name for each in compared for name in each.fields), denies, cost(term))
