"""Which tests many policies share: what rules out several of them at once is asked before each of them. Pure."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from auditor.policy.grammar import Comparison
from auditor.policy.logic import Junction, Term
from auditor.policy.parts import asks_every, meaning_of, parts_of
from auditor.policy.shapes import How

SEVERAL = 4
"""Policies that ask a field for a text each: from so many on they are first asked whether it is any of theirs."""
DEEPEST = 20
"""Gates within each other."""


class Shared(NamedTuple):
    """What several policies have in common."""

    how: str
    """`same`: a test. `old`: a field with a least age. `text`: a field that must be a text, or one of some."""
    of: Hashable


@dataclass(frozen=True)
class Operand:
    """What must hold, and what it may share with others; the first is the test itself."""

    term: Term
    shares: tuple[Shared, ...]


@dataclass(frozen=True)
class Item:
    """One policy, by what must all hold of a record that it matches."""

    number: int
    operands: tuple[Operand, ...]


@dataclass(frozen=True)
class Texts:
    """Whether a field is one of the texts, which have no case."""

    field: str
    wanted: frozenset[str]


@dataclass(frozen=True)
class Gate:
    """A test that must hold for any of the policies behind it."""

    asked: Term | Texts
    behind: "Nested"


@dataclass(frozen=True)
class Nested:
    """Gates, and the policies that are behind none."""

    gates: tuple[Gate, ...]
    items: tuple[Item, ...]


def item_of(number: int, term: Term) -> Item:
    """The policy with this number that matches what `term` holds of."""
    return Item(number, tuple(Operand(each, tuple(_shares(each))) for each in _conjuncts(term)))


def _conjuncts(term: Term) -> Iterator[Term]:
    if isinstance(term, Junction) and term.operator == "and":
        for each in term.operands:
            yield from _conjuncts(each)
    elif term is not True:
        yield term


def _shares(term: Term) -> Iterator[Shared]:
    yield Shared("same", key_of(term))
    if isinstance(term, Comparison) and least_age(term) is not None:
        yield Shared("old", term.field)
    if isinstance(term, Comparison) and _texts(term):
        yield Shared("text", term.field)


def nested(items: Sequence[Item], passed: frozenset[Shared] = frozenset()) -> Nested:
    """The policies behind the gates that they share; `passed` are gates that they are behind already."""
    gates, rest = [], list(items)
    while len(passed) < DEEPEST and (best := _best(rest, passed)):
        behind = [item for item in rest if _operand(item, best)]
        rest = [item for item in rest if not _operand(item, best)]
        asked, through = _gate([each for item in behind if (each := _operand(item, best))], best)
        left = [replace(item, operands=tuple(_left(item, through))) for item in behind]
        gates.append(Gate(asked, nested(left, passed | {through})))
    return Nested(tuple(gates), tuple(rest))


def _best(items: Sequence[Item], passed: frozenset[Shared]) -> Shared | None:
    """What most of them share, and at least two; best of all a field of which nearly each asks for a text of its own.

    Of such a field, like a mail address, there are very many texts: nearly no record passes.
    """
    shares = (dict.fromkeys((each, one.shares[0]) for one in item.operands for each in one.shares) for item in items)
    tests: dict[Shared, Counter[Shared]] = {}
    for shared, test in (pair for some in shares for pair in some):
        tests.setdefault(shared, Counter())[test] += 1
    enough = [each for each, some in tests.items() if each not in passed and some.total() >= _least(each)]

    def worth(each: Shared) -> tuple[bool, float]:
        count, texts = tests[each].total(), len(tests[each])
        return each.how == "text" and texts * 4 > count * 3, count * 2 / (texts + 2)

    return max(enough, key=worth, default=None)


def _least(shared: Shared) -> int:
    return SEVERAL if shared.how == "text" else 2


def _operand(item: Item, shared: Shared) -> Operand | None:
    return next((each for each in item.operands if shared in each.shares), None)


def _gate(operands: Sequence[Operand], shared: Shared) -> tuple[Term | Texts, Shared]:
    """The test that is implied by each of them, and what who is behind it has passed."""
    if shared.how == "same":
        return operands[0].term, shared
    asked = {each.shares[0]: each.term for each in operands if isinstance(each.term, Comparison)}
    if shared.how == "old":
        youngest = min(asked, key=lambda each: least_age(asked[each]) or 0)
        return asked[youngest], youngest
    return Texts(str(shared.of), frozenset().union(*map(_texts, asked.values()))), shared


def _left(item: Item, passed: Shared) -> Iterator[Operand]:
    """What a policy still asks behind a gate."""
    return (each for each in item.operands if each.shares[0] != passed)


def least_age(comparison: Comparison) -> int | None:
    """The least age in seconds that a comparison asks for, when it asks for nothing else."""
    parts = parts_of(comparison)
    if comparison.negated or len(parts) != 1 or parts[0][0] is not How.AGE or len(parts[0][1]) != 1:
        return None
    least, most = parts[0][1][0]
    return int(least) if most is None else None


def _texts(comparison: Comparison) -> frozenset[str]:
    """The texts of which a field must be one, when a comparison asks for nothing else."""
    parts = parts_of(comparison)
    plain = len(parts) == 1 and parts[0][0] is How.TEXT and not comparison.negated and not asks_every(comparison)
    return frozenset(map(str, parts[0][1])) if plain else frozenset()


def key_of(term: Term) -> Hashable:
    """What two terms that say the same have in common."""
    if isinstance(term, Comparison):
        meaning = meaning_of(term)
        return id(term) if meaning is None else meaning
    return (term.operator, *map(key_of, term.operands)) if isinstance(term, Junction) else term
