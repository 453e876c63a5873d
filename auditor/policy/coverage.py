"""What the examples of a policy leave untried: selections, boundaries, what is hidden. Pure."""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from auditor.inventory.model import Record
from auditor.inventory.schema import FOLDED, fields_of
from auditor.policy.bodies import joined_on
from auditor.policy.compile import compile_selection
from auditor.policy.examples import run
from auditor.policy.grammar import Comparison, Selection, comparisons
from auditor.policy.model import EVENT, Policy
from auditor.policy.modifiers import TIME_PARTS
from auditor.policy.policyset import Judge, PolicySet
from auditor.policy.template import one_line
from auditor.terms import Outcome

_OF_NOW = frozenset({"older_than", "newer_than", "within"})
_OF_VALUE = frozenset({"gt", "gte", "lt", "lte"})
_LIMITS = _OF_NOW | _OF_VALUE | {"wider_than"}
"""Modifiers with a boundary, beside which examples find mistakes of one."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How much of a policy its examples try."""

    policy: Policy
    missing: tuple[Outcome, ...]
    """Of PASS and FAIL what no example expects."""
    selections: int
    """How many selections it has that something may match."""
    unmatched: tuple[str, ...]
    """Selections that match in no example."""
    asks: tuple[str, ...]
    """What is worth an example more, in words."""


def tried(policies: PolicySet) -> tuple[Tried, ...]:
    """What the examples of each policy try, in the order of their names, under the parameters of the files."""
    policies = policies.written or policies
    bursts = {each.policy.name for each in policies.correlations}
    return tuple(
        _tried(policy, _judges(policies, policy), tuple(_bursts(policies, policy)) if policy.name in bursts else ())
        for policy in policies.policies
    )


def _judges(policies: PolicySet, policy: Policy) -> tuple[Judge, ...]:
    """The judges behind a policy: its own, or those of the rules that it counts."""
    found = tuple(judge for judge in (*policies.states, *policies.rules) if judge.policy.name == policy.name)
    counting = (each.correlation.rules for each in policies.correlations if each.policy.name == policy.name)
    return found or tuple(policies.bases[rule] for rules in counting for rule in rules)


def _bursts(policies: PolicySet, policy: Policy) -> Iterator[str]:
    """A correlation has a boundary, too: the event without which a window holds too little."""
    failing = [example for example in policy.examples if example.expect is Outcome.FAIL]
    fewer = (replace(example, records=example.records[:-1]) for example in failing)
    if failing and not any(run(policies, policy.name, each)[0] is Outcome.PASS for each in fewer):
        yield "no example that fails would pass without its last event: none holds just enough"


def _tried(policy: Policy, judges: tuple[Judge, ...], bursts: tuple[str, ...]) -> Tried:
    expected = {example.expect for example in policy.examples}
    selections = [(name, each) for judge in judges for name, each in _selections(judge, several=len(judges) > 1)]
    matchable = [(name, each) for name, each in selections if _may_match(each)]
    return Tried(
        policy=policy,
        missing=tuple(each for each in (Outcome.FAIL, Outcome.PASS) if each not in expected),
        selections=len(matchable),
        unmatched=tuple(name for name, each in matchable if not _matches_somewhere(each, policy)),
        asks=(
            *bursts,
            *_boundaries(policy, judges),
            *(() if Outcome.UNKNOWN in expected else _unknowns(policy, judges)),
        ),
    )


def _selections(judge: Judge, *, several: bool) -> Iterator[tuple[str, Selection]]:
    for name, selection in judge.matcher.detection.selections.items():
        yield (f"{judge.policy.name}.{name}" if several else name), selection
    if judge.applies_to:
        yield "applies_to", judge.applies_to


def _may_match(selection: Selection) -> bool:
    """Whether there is anything that it matches: a list in a parameter may be empty until somebody fills it."""
    return not all(any(_is_empty(each) for each in alternative) for alternative in selection.alternatives)


def _is_empty(comparison: Comparison) -> bool:
    return not (comparison.tests or comparison.references or comparison.negated or comparison.every)


def _situations(policy: Policy) -> Iterator[tuple[Record, int]]:
    return ((record, example.now) for example in policy.examples for record in example.records)


def _matches_somewhere(selection: Selection, policy: Policy) -> bool:
    asked = compile_selection(selection)
    return any(asked(record.fields, now) for record, now in _situations(policy))


def _boundaries(policy: Policy, judges: Iterable[Judge]) -> Iterator[str]:
    for judge in judges:
        for _, selection in _selections(judge, several=False):
            for each in comparisons(selection):
                limited = _LIMITS & set(each.modifiers) and not set(TIME_PARTS) & set(each.modifiers)
                if limited and not any(_at_its_limit(each, record, now) for record, now in _situations(policy)):
                    shown = one_line(each.source, 120)
                    yield f"no example stands at the boundary of `{shown}`, a step before or behind it"


def _at_its_limit(comparison: Comparison, record: Record, now: int) -> bool:
    """Whether a step more or less changes the answer."""
    found = record.fields.get(comparison.field or "")
    return any(_is_near(comparison, value, now) for value in (found if isinstance(found, list) else [found]))


def _is_near(comparison: Comparison, value: object, now: int) -> bool:
    modifiers = set(comparison.modifiers)
    if modifiers & _OF_NOW:
        neighbours = [(value, now - 1), (value, now + 1)]
    elif modifiers & _OF_VALUE and isinstance(value, int | float):
        neighbours = [(value - 1, now), (value + 1, now)]
    else:
        neighbours = [(each, now) for each in _networks_beside(value)]
    return any(test(*each) is not test(value, now) for test in comparison.tests for each in neighbours)


def _networks_beside(value: object) -> list[object]:
    """The next larger and the next smaller network."""
    try:
        network = ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        return []
    smaller = [network] if network.prefixlen == network.max_prefixlen else list(network.subnets())
    return [str(network.supernet()), str(smaller[0])]


def _unknowns(policy: Policy, judges: Iterable[Judge]) -> Iterator[str]:
    """In an event nothing is unknown; of a resource whatever comes from elsewhere, or is not always sent, may be."""
    if policy.kind == EVENT:
        return
    elsewhere = joined_on(policy.kind)
    known = fields_of(policy.kind)
    read = sorted(name for judge in judges for name in judge.matcher.fields | judge.applies_fields)
    for name in read:
        if name in elsewhere or policy.kind in FOLDED or known[name].absent_is_unknown:
            yield f"no example expects `unknown`: hide a field with `gaps: [{name}]`"
            return
