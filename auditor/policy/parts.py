"""A comparison as parts that are each compared in one way, and what two comparisons that say the same share. Pure."""

from collections.abc import Hashable, Iterator
from typing import Any

from auditor.policy.comparison import Test
from auditor.policy.grammar import Comparison
from auditor.policy.shapes import TESTED, How, Shape, shapes_of

Part = tuple[How, list[Any], list[Test]]
"""What is compared in one way: with which values, and by which tests in the unusual case."""


def parts_of(comparison: Comparison) -> list[Part]:
    """The parts, of which all must be met when the comparison asks for every value, else any."""
    return list(_each_part(comparison)) if asks_every(comparison) else _grouped_parts(comparison)


def asks_every(comparison: Comparison) -> bool:
    """Whether several values must all be met."""
    return comparison.every and len(comparison.tests) > 1


def meaning_of(comparison: Comparison) -> Hashable:
    """What two comparisons that say the same have in common; None for one that is known by its tests alone."""
    shapes = [shape for _, shapes in shaped(comparison) for shape in shapes]
    if comparison.references or any(shape.how in {How.TESTED, How.CASED_TESTED} for shape in shapes):
        return None
    wanted = tuple((shape.how, type(shape.wanted), shape.wanted) for shape in shapes)
    return comparison.field, comparison.every, comparison.negated, wanted


def _each_part(comparison: Comparison) -> Iterator[Part]:
    """Each value by itself: all must be met."""
    return ((shapes[0].how, [each.wanted for each in shapes], [test]) for test, shapes in shaped(comparison))


def _grouped_parts(comparison: Comparison) -> list[Part]:
    """The values by how they are compared: any may be met."""
    parts: dict[How, Part] = {}
    for test, shapes in shaped(comparison):
        part = parts.setdefault(shapes[0].how, (shapes[0].how, [], []))
        part[1].extend(each.wanted for each in shapes)
        part[2].append(test)
    return list(parts.values())


def shaped(comparison: Comparison) -> Iterator[tuple[Test, tuple[Shape, ...]]]:
    """Each test with the shapes of which one must be met, which are all compared in the same way."""
    if len(comparison.values) != len(comparison.tests):
        return ((test, (TESTED,)) for test in comparison.tests)
    return zip(comparison.tests, map(shapes_of, comparison.values), strict=True)
