"""Why a policy says what it says of one record: each selection, each comparison with the values it met. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from auditor.inventory.model import Collection, Fields, Record, Snapshot
from auditor.policy.compile import Answer, compile_selection
from auditor.policy.evaluate import evaluate, match, whole
from auditor.policy.grammar import Comparison, Selection
from auditor.policy.model import EVENT, Allowed, Policy, Verdict
from auditor.policy.policyset import Judge, PolicySet
from auditor.policy.program import state_program
from auditor.terms import Outcome


@dataclass(frozen=True, slots=True)
class Seen:
    """One record, and everything of its kind that was seen with it."""

    record: Record
    everything: Collection


Source = Callable[[str, str], Seen]
"""Gives the record of a kind and an id, from wherever resources are kept. Raises ConfigError when it has none."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison, and what it met."""

    source: str
    """As it was written, parameters replaced by their values."""
    answer: Answer
    values: Mapping[str, object]
    """Field to its value in the record: None where it is absent, Unknown where it is hidden."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One selection: alternatives, each of comparisons that must all hold."""

    name: str
    answer: Answer
    alternatives: tuple[tuple[Compared, ...], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a policy says of one record, and why."""

    policy: Policy
    record: Record
    now: int
    """Unix seconds at which the clock stands."""
    outcome: Outcome | None
    """None when the policy does not apply. FAIL also where some matches are allowed: then only their count fails."""
    matching: int
    """How many of those that were seen match, where some are allowed; else whether this one does."""
    seen: int
    message: str
    applies: Explained | None
    """None for a policy that applies to every record."""
    selections: tuple[Explained, ...]
    condition: str


def explain(judge: Judge, seen: Seen, now: int) -> Explanation:
    """What `judge` says of a record at `now` (Unix seconds)."""
    detection, record = judge.matcher.detection, seen.record
    outcome, message = _said(judge, record, now)
    matching = [record] if outcome is Outcome.FAIL else []
    if not judge.policy.allowed.each:
        (found,) = state_program(record.kind, (judge,)).sort(seen.everything.records, now)
        matching = list(found.matching)
        message = whole(judge, matching, now).message if outcome is Outcome.FAIL else message
    return Explanation(
        policy=judge.policy,
        record=record,
        now=now,
        outcome=outcome,
        matching=len(matching),
        seen=len(seen.everything.records),
        message=message,
        applies=_explained(judge.applies_to, record.fields, now) if judge.applies_to else None,
        selections=tuple(_explained(each, record.fields, now) for each in detection.selections.values()),
        condition=detection.text,
    )


def _said(judge: Judge, record: Record, now: int) -> tuple[Outcome | None, str]:
    verdicts: tuple[Verdict, ...]
    if judge.policy.kind == EVENT:
        verdicts = match(PolicySet(rules=(judge,)), [record], now)
        return (Outcome.FAIL if verdicts else Outcome.PASS), next((each.message for each in verdicts), "")
    alone = replace(judge, policy=replace(judge.policy, allowed=Allowed()))
    collection = Collection(record.kind, (record,))
    (result,) = evaluate(PolicySet(states=(alone,)), Snapshot("", now, {record.kind: collection}), now)
    if not result.verdicts:
        return (Outcome.PASS if result.passed else None), ""
    return result.outcome, result.verdicts[0].message


def _explained(selection: Selection, fields: Fields, now: int) -> Explained:
    alternatives = tuple(
        tuple(_compared(each, fields, now) for each in alternative) for alternative in selection.alternatives
    )
    return Explained(selection.name, compile_selection(selection)(fields, now), alternatives)


def _compared(comparison: Comparison, fields: Fields, now: int) -> Compared:
    alone = compile_selection(Selection("", ((comparison,),)))
    return Compared(comparison.source, alone(fields, now), dict(_met(comparison, fields)))


def _met(comparison: Comparison, fields: Fields) -> Iterator[tuple[str, object]]:
    # A keyword looks into every field; what it met is the whole record.
    return ((name, fields.get(name)) for name in comparison.fields)
