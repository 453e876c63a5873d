"""What policies say: of a snapshot PASS, FAIL or UNKNOWN, of events FAIL or nothing. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from auditor.detection.model import BaseMatch
from auditor.detection.windows import occurrences
from auditor.inventory.model import Collection, Gap, Record, Snapshot, Unknown
from auditor.policy.model import EVENT, WHOLE, PolicyResult, Verdict
from auditor.policy.policyset import Correlated, Judge, PolicySet
from auditor.policy.program import Sorted, event_program, state_program
from auditor.terms import Outcome

_NAMES = 10
"""Records that a message about a whole collection may name."""


def evaluate(policies: PolicySet, snapshot: Snapshot, now: int) -> tuple[PolicyResult, ...]:
    """What every state policy says of the snapshot at `now` (Unix seconds), in the order of their names."""
    kinds: dict[str, list[Judge]] = {}
    for judge in policies.states:
        kinds.setdefault(judge.policy.kind, []).append(judge)
    results = [result for kind, judges in kinds.items() for result in _judge(judges, snapshot.collection(kind), now)]
    return tuple(sorted(results, key=lambda each: each.policy))


def match(policies: PolicySet, events: Sequence[Record], now: int) -> tuple[Verdict, ...]:
    """An occurrence for each event that an event policy matches."""
    hits = event_program(policies.rules).hits(events, now)
    return tuple(_occurrence(policies.rules[number], event, now) for event, numbers in hits for number in numbers)


def base_matches(correlated: Correlated, bases: Mapping[str, Judge], events: Sequence[Record]) -> list[BaseMatch]:
    """The events that the base rules of a correlation match; one without a field to group by belongs to no group."""
    spec = correlated.correlation
    program = event_program(tuple(bases[rule] for rule in spec.rules))
    found = []
    for event in events:
        group = [event.fields.get(name) for name in spec.group_by]
        at = _at(event)
        if None in group or at is None:
            continue
        value = event.fields.get(spec.counted) if spec.counted else None
        found += [
            BaseMatch(
                spec.rules[number], event.id, at, tuple(map(str, group)), None if value is None else str(value), None
            )
            for number in program.matching(event.fields, at)
        ]
    return found


def correlate(
    correlated: Correlated, matches: Sequence[BaseMatch], now: int, starts: tuple[int, int] | None = None
) -> list[Verdict]:
    """What a correlation says of all kept matches of one group: each window that holds enough, once.

    `starts` (Unix seconds) are the earliest and the latest start of a window, where `matches` are those of a part of
    the history. A finding is named by the values as the first event of its window writes them, and by that event.
    """
    policy, spec = correlated.policy, correlated.correlation
    verdicts = []
    for each in occurrences(spec, matches, starts):
        fields = {**dict(zip(spec.group_by, each.group, strict=True)), "count": each.count}
        message = correlated.message.render({**policy.params, **fields}, now, policy.title)
        verdicts.append(
            Verdict(
                policy=policy.name,
                level=policy.level,
                outcome=Outcome.FAIL,
                kind=EVENT,
                ids=(*each.group, each.events[0]),
                name=" ".join(each.group) or each.events[0],
                message=message,
                matched=spec.rules,
                events=each.events,
                at=each.at,
            )
        )
    return verdicts


def _at(event: Record) -> int | None:
    at = event.fields.get("effective_at")
    return at if isinstance(at, int) and not isinstance(at, bool) else None


def _occurrence(judge: Judge, event: Record, now: int) -> Verdict:
    at = _at(event)
    return Verdict(
        policy=judge.policy.name,
        level=judge.policy.level,
        outcome=Outcome.FAIL,
        kind=EVENT,
        ids=event.ids,
        name=str(event.fields.get("actor.email") or event.fields.get("type") or event.id),
        message=_said(judge, event.fields, now),
        matched=judge.matcher.matched(event.fields, now),
        record=event,
        events=(event.id,),
        at=now if at is None else at,
    )


def _judge(judges: Sequence[Judge], collection: Collection, now: int) -> Iterator[PolicyResult]:
    """What the policies of one kind say."""
    program = state_program(collection.kind, tuple(judges))
    for judge, found in zip(judges, program.sort(collection.records, now), strict=True):
        yield _result(judge, collection, found, now)


def _result(judge: Judge, collection: Collection, found: Sorted, now: int) -> PolicyResult:
    passed = found.passed
    if judge.policy.allowed.each:
        verdicts = [_failing(judge, record, now) for record in found.matching]
        verdicts += _unknowns(judge, collection, found.undecided)
    else:
        verdicts = _counted(judge, collection, found.matching, found.undecided, now)
        passed = int(not verdicts)
    return PolicyResult(
        judge.policy.name,
        _worst(verdicts),
        passed,
        tuple(verdicts),
        frozenset(record.ids for record in found.undecided),
    )


def _worst(verdicts: Iterable[Verdict]) -> Outcome:
    outcomes = {verdict.outcome for verdict in verdicts}
    return next((each for each in (Outcome.FAIL, Outcome.UNKNOWN) if each in outcomes), Outcome.PASS)


def _failing(judge: Judge, record: Record, now: int) -> Verdict:
    return Verdict(
        policy=judge.policy.name,
        level=judge.policy.level,
        outcome=Outcome.FAIL,
        kind=judge.policy.kind,
        ids=record.ids,
        name=record.name,
        message=_said(judge, record.fields, now),
        matched=judge.matcher.matched(record.fields, now),
        record=record,
    )


def _counted(
    judge: Judge, collection: Collection, matching: Sequence[Record], undecided: Sequence[Record], now: int
) -> list[Verdict]:
    """Too many or too few: what was seen may suffice to say so, and what was not seen may change it."""
    allowed = judge.policy.allowed
    unknowns = _unknowns(judge, collection, undecided)
    too_many = allowed.max is not None and len(matching) > allowed.max
    too_few = len(matching) < allowed.min
    if too_many or (too_few and not unknowns):
        return [whole(judge, matching, now), *unknowns]
    # More of them could only break a maximum, and could only mend a shortage.
    could_change = too_few or (allowed.max is not None)
    return unknowns if could_change else []


def whole(judge: Judge, matching: Sequence[Record], now: int) -> Verdict:
    """What a policy on the count of those that match says of it, when it is too many or too few."""
    names = [record.name for record in matching[:_NAMES]] + (["…"] if len(matching) > _NAMES else [])
    return Verdict(
        policy=judge.policy.name,
        level=judge.policy.level,
        outcome=Outcome.FAIL,
        kind=judge.policy.kind,
        ids=WHOLE,
        name="the whole organization",
        message=_said(judge, {"count": len(matching), "names": names}, now),
        matched=tuple(
            name
            for name, asked in judge.matcher.selections.items()
            if any(asked(record.fields, now) for record in matching)
        ),
    )


def _unknowns(judge: Judge, collection: Collection, undecided: Sequence[Record]) -> list[Verdict]:
    """One verdict a gap: those of the collection, then those behind the fields of records."""
    gaps: dict[str, tuple[Gap, int]] = {gap.key: (gap, 0) for gap in collection.gaps}
    unseen = 0
    for record in undecided:
        behind = _gaps_of(judge, record)
        unseen += not behind
        for gap in behind:
            gaps[gap.key] = (gap, gaps.get(gap.key, (gap, 0))[1] + 1)
    verdicts = [_behind(judge, gap, count) for gap, count in gaps.values()]
    if collection.unseen and not collection.gaps:
        verdicts.append(_unknown(judge, "", collection.unseen, None))
    if unseen:
        verdicts.append(_unknown(judge, "", _why(judge, undecided), None))
    return verdicts


def _gaps_of(judge: Judge, record: Record) -> dict[Gap, None]:
    hidden = (record.fields.get(name) for name in _asked(judge))
    return dict.fromkeys(gap for value in hidden if isinstance(value, Unknown) for gap in value.gaps)


def _asked(judge: Judge) -> Sequence[str]:
    return sorted(judge.matcher.fields | judge.applies_fields)


def _why(judge: Judge, undecided: Sequence[Record]) -> str:
    hidden = (record.fields.get(name) for record in undecided for name in _asked(judge))
    return next((value.why for value in hidden if isinstance(value, Unknown) and value.why), "it was not seen")


def _behind(judge: Judge, gap: Gap, count: int) -> Verdict:
    subject = f"{count} of kind {judge.policy.kind}" if count else gap.kind
    place = f" in {'/'.join(gap.scope)}" if gap.scope else ""
    return _unknown(judge, f" for {subject}{place}", f"{gap.kind} could not be read: {gap.reason}", gap)


def _unknown(judge: Judge, subject: str, why: str, gap: Gap | None) -> Verdict:
    ids = (gap.scope if gap else ()) or WHOLE
    return Verdict(
        policy=judge.policy.name,
        level=judge.policy.level,
        outcome=Outcome.UNKNOWN,
        kind=gap.kind if gap else judge.policy.kind,
        ids=ids,
        name="/".join(ids) if ids != WHOLE else "the whole organization",
        message=f"{judge.policy.title}: unknown{subject}, because {why}",
        gap=gap,
        why=why,
    )


def _said(judge: Judge, fields: Mapping[str, object], now: int) -> str:
    return judge.message.render({**judge.policy.params, **fields}, now, judge.policy.title)
