"""Event rules and correlations over the stored events of a time: what each of them would have told."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from auditor.detection.model import BaseMatch
from auditor.findings.reconcile import is_fresh, occur
from auditor.inventory.events import record_at
from auditor.inventory.model import Record
from auditor.jobs.tested import Backtest, Tested
from auditor.policy.evaluate import base_matches, correlate, match
from auditor.policy.model import Verdict
from auditor.policy.policyset import Correlated, PolicySet
from auditor.policy.replay import Dated, RawEvent, Scan, StoredRow
from auditor.store import events, history
from auditor.store.database import Store
from auditor.store.history import Wanted

DAY = 86_400


class EventTest:
    """Rules over the events of one organization, a day at a time, so that no more than that is held.

    Types that nothing here can match are not read; of the others, only the fields that are asked for are decoded.
    """

    def __init__(self, store: Store, organization: str, policies: PolicySet, dated: Dated) -> None:
        self._store = store
        self._organization = organization
        self._policies = policies
        self._rules = tuple(dict.fromkeys((*policies.rules, *policies.bases.values())))
        self._scan = Scan(self._rules, dated)
        self._speaking = {rule: Tested(rule.policy) for rule in policies.rules}
        self._windows = [_Windows(each, policies) for each in policies.correlations]

    def run(self, found: Backtest) -> None:
        """Judge the events of the time, and enter what was found. Raises StoreError."""
        with self._store.transaction() as tx:
            known = history.type_names(tx, self._organization)
        types = tuple(self._scan.types(known))
        for start, end in self._slices(found) if types else ():
            # When most types are wanted, it is faster to read all in the order in which they lie.
            wanted = Wanted(since=start, before=end, types=types if 2 * len(types) < len(known) else ())
            for batch in history.scan(self._store, self._organization, wanted):
                found.events += self._judge(batch, found)
            self._close(end, found)
        self._close(found.until + max((each.reach for each in self._windows), default=0), found)
        found.policies += (*self._speaking.values(), *(each.tested for each in self._windows))

    def _slices(self, found: Backtest) -> Iterator[tuple[int, int]]:
        """In days, for windows with what may belong to one that is open at the beginning; else in one piece."""
        until = found.until + 1
        if not self._windows:
            return iter([(found.since, until)])
        since = max(found.since - max(each.reach for each in self._windows), found.event_at or 0)
        return ((start, min(start + DAY, until)) for start in range(since, until, DAY))

    def _judge(self, batch: Sequence[StoredRow], found: Backtest) -> int:
        """Returns how many of the events are of the time itself."""
        hits = [
            (self._scan.whole(RawEvent(*row)), frozenset(self._rules[number] for number in numbers))
            for row, numbers in self._scan.hits(batch)
        ]
        for rule, tested in self._speaking.items():
            if records := [record for record, rules in hits if rule in rules]:
                verdicts = match(PolicySet(rules=(rule,)), records, found.until)
                _enter(tested, self._organization, self._policies, verdicts, found)
        for each in self._windows:
            each.take([record for record, rules in hits if rules & each.rules])
        return sum(at >= found.since for _, _, at, _ in batch)

    def _close(self, end: int, found: Backtest) -> None:
        for each in self._windows:
            verdicts = [self._known(verdict) for verdict in each.close(end, found.until)]
            _enter(each.tested, self._organization, self._policies, verdicts, found)

    def _known(self, verdict: Verdict) -> Verdict:
        """A correlation with its first event, which says who acted."""
        with self._store.transaction() as tx:
            first = events.find(tx, self._organization, verdict.events[0])
        return replace(verdict, record=record_at(first.raw, first.effective_at)) if first else verdict


class _Windows:
    """One correlation, while the events come day by day."""

    def __init__(self, correlated: Correlated, policies: PolicySet) -> None:
        self.tested = Tested(correlated.policy)
        self.rules = frozenset(policies.bases[name] for name in correlated.correlation.rules)
        self.reach = 2 * correlated.correlation.timespan
        self._correlated = correlated
        self._bases = policies.bases
        self._groups: dict[tuple[str, ...], list[BaseMatch]] = {}

    def take(self, records: Sequence[Record]) -> None:
        """Some more events that a rule of it matched."""
        for each in base_matches(self._correlated, self._bases, records) if records else ():
            self._groups.setdefault(each.key, []).append(each)

    def close(self, end: int, now: int) -> Iterator[Verdict]:
        """What it says when every event of before `end` (Unix seconds) has come; what is needed no more is dropped."""
        last = end - self._correlated.correlation.timespan - 1
        for group, matches in list(self._groups.items()):
            verdicts = correlate(self._correlated, matches, now, (0, last))
            told = {event for verdict in verdicts for event in verdict.events}
            self._groups[group] = [each for each in matches if each.at > last and each.event_id not in told]
            if not self._groups[group]:
                del self._groups[group]
            yield from verdicts


def _enter(
    tested: Tested, organization: str, policies: PolicySet, verdicts: Iterable[Verdict], found: Backtest
) -> None:
    """Occurrences of one policy, each of which is an alert; those of before the time are left out."""
    inside = [each for each in verdicts if each.at is not None and found.since <= each.at <= found.until]
    made = occur(organization, inside, policies.by_name, {}, found.until).findings
    tested.enter(made)
    tested.open += sum(is_fresh(each, found.until) for each in made)
    tested.by_day.update(Counter(each.opened_at // DAY for each in made))
