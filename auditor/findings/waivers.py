"""Which findings are waived, by whose word and until when, and when such a word is worth nothing any more. Pure.

A waiver that pins facts holds for what a resource was when the risk was accepted, and not for what it became. What
could not be seen changes nothing: a waiver that held goes on holding until it ends, and none begins.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from auditor.findings.matcher import Matcher
from auditor.findings.model import Decision, Finding, Reason, Transition
from auditor.findings.protected import protects
from auditor.fingerprint import fingerprint
from auditor.inventory.model import Unknown
from auditor.inventory.schema import fields_of, is_open
from auditor.policy.model import Policy
from auditor.terms import State

DAY = 86_400


class Origin(StrEnum):
    """Where a waiver was written down."""

    FILE = "file"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Waiver:
    """A risk that somebody accepted for a limited time. Times are Unix seconds."""

    id: str
    match: Matcher
    reason: str
    owner: str
    """Who answers for it, and is told before it ends."""
    on: int
    until: int
    """It holds until here, and no longer."""
    ticket: str = ""
    pinned: tuple[str, ...] | Mapping[str, object] = ()
    """Fields of the resource that must stay as they were when it was first applied, or as they are written here."""
    origin: Origin = Origin.FILE
    by: str = ""
    """Who wrote it down; empty for the owner."""
    ended_by: str = ""
    """Who ended it before its time."""
    asked_until: int | None = None
    """The end that it was written with, where the configuration lets it hold for less."""

    def holds(self, now: int) -> bool:
        """Whether it is in force at `now`."""
        return self.on <= now < self.until

    @property
    def grant(self) -> str:
        """What was granted: changed pins or a new end are a new word, which facts must be recorded for anew."""
        until = self.until if self.asked_until is None else self.asked_until
        return fingerprint(json.dumps([self.id, until, self.pinned], sort_keys=True))

    def within(self, longest: int) -> "Waiver":
        """The waiver as it holds where one lasts `longest` seconds at most, which may be less than when it was made.

        A day at its end is the last one, as in the file of waivers, which is held to this when it is read.
        """
        latest = self.on + longest
        if self.until % DAY == 0:
            latest += DAY - latest % DAY
        if self.origin is Origin.FILE or self.until <= latest:
            return self
        return replace(self, until=latest, asked_until=self.until)


@dataclass(frozen=True, slots=True)
class Use:
    """That a waiver was applied to a finding: the facts it was granted on, and whether they changed."""

    waiver: str
    finding: str
    grant: str
    facts: Mapping[str, object]
    at: int
    void_at: int | None = None
    """Since when it is void for this finding, for good."""
    why: str = ""
    """The fact that changed: `role: reader, then owner`."""


Uses = Mapping[tuple[str, str], Use]
"""By ids of waiver and finding."""
Facts = Callable[[Finding], Mapping[str, object] | None]
"""Fields of the resource of a finding; None where it was not seen, or there is none."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What waivers make of findings: rows to write, and how many findings each waiver in force matched."""

    findings: tuple[Finding, ...] = ()
    transitions: tuple[Transition, ...] = ()
    uses: tuple[Use, ...] = ()
    matched: Mapping[str, int] = field(default_factory=dict)


def decide(
    waivers: Sequence[Waiver],
    standing: Iterable[Finding],
    facts: Facts,
    uses: Uses,
    policies: Mapping[str, Policy],
    now: int,
) -> Decided:
    """Waive what a waiver in force covers, and take back what none covers any more.

    Nothing covers what is protected (auditor/findings/protected.py); `policies` are those in force, by name.
    `standing` are findings that are not resolved. `waivers` are all of their organization, those that are over too:
    they tell why a finding is told again. `now` is in Unix seconds. Running it again on its own output changes nothing.
    """
    desk = _Desk(waivers, facts, uses, policies, now)
    changes = [change for finding in standing if (change := desk.judge(finding))]
    return Decided(
        findings=tuple(finding for finding, _ in changes),
        transitions=tuple(transition for _, transition in changes if transition),
        uses=tuple(desk.changed.values()),
        matched=desk.matched,
    )


class _Desk:
    """One pass over the findings of one organization."""

    def __init__(
        self, waivers: Sequence[Waiver], facts: Facts, uses: Uses, policies: Mapping[str, Policy], now: int
    ) -> None:
        self._known = {waiver.id: waiver for waiver in waivers}
        self._in_force = sorted((each for each in waivers if each.holds(now)), key=lambda each: (-each.until, each.id))
        self._facts = facts
        self._uses = uses
        self._policies = policies
        self._now = now
        self.changed: dict[tuple[str, str], Use] = {}
        self.matched = dict.fromkeys((each.id for each in self._in_force), 0)

    def judge(self, finding: Finding) -> tuple[Finding, Transition | None] | None:
        """The finding as it is from now on, None when it stays."""
        waiver = self._covering(finding)
        if waiver:
            return self._waived(finding, waiver)
        return self._taken_back(finding) if finding.waived else None

    def _covering(self, finding: Finding) -> Waiver | None:
        """The waiver in force that covers it: the one that did before, else the one that ends last."""
        if protects(self._policies, finding):
            return None
        matching = [waiver for waiver in self._in_force if _is_about(waiver, finding)]
        for waiver in matching:
            self.matched[waiver.id] += 1
        matching.sort(key=lambda waiver: not _held(waiver, finding))
        return next((waiver for waiver in matching if self._covers(waiver, finding)), None)

    def _covers(self, waiver: Waiver, finding: Finding) -> bool:
        key = (waiver.id, finding.id)
        use = self._uses.get(key)
        use = use if use and use.grant == waiver.grant else None
        if use and use.void_at is not None:
            return False
        if not waiver.pinned:
            return True
        return self._unchanged(waiver, finding, use)

    def _unchanged(self, waiver: Waiver, finding: Finding, use: Use | None) -> bool:
        """Whether the pinned facts are as they were, as far as they can be seen."""
        if not _has(finding.kind, waiver.pinned):
            return use is not None
        fields = self._facts(finding)
        if fields is None:
            return _held(waiver, finding)
        facts = {name: _plain(fields.get(name)) for name in waiver.pinned}
        seen = {name: value for name, value in facts.items() if not isinstance(value, Unknown)}
        wanted = use.facts if use else waiver.pinned if isinstance(waiver.pinned, Mapping) else facts
        changed = [
            f"{name}: {_told(wanted.get(name))}, then {_told(value)}"
            for name, value in seen.items()
            if not _same(value, wanted.get(name))
        ]
        if use and changed:
            self._record(replace(use, void_at=self._now, why="; ".join(changed)))
        if changed or len(seen) < len(facts):
            return not changed and _held(waiver, finding)
        if use is None:
            self._record(Use(waiver.id, finding.id, waiver.grant, seen, self._now))
        return True

    def _record(self, use: Use) -> None:
        self.changed[use.waiver, use.finding] = use

    def _waived(self, finding: Finding, waiver: Waiver) -> tuple[Finding, Transition | None] | None:
        by = waiver.by or waiver.owner
        before = finding.decision if finding.waived else None
        same = before is not None and (before.waiver, before.until) == (waiver.id, waiver.until)
        at = before.at if before and same else self._now
        decision = Decision(by, at, waiver.reason, waiver.id, waiver.until)
        if same:
            return None if decision == before else (replace(finding, decision=decision), None)
        changed_at = finding.changed_at if finding.waived else self._now
        after = replace(finding, state=State.WAIVED, changed_at=changed_at, decision=decision)
        told = Transition(
            after, finding.state, Reason.WAIVED, self._now, by, waiver.reason, waiver=waiver.id, until=waiver.until
        )
        return after, told

    def _taken_back(self, finding: Finding) -> tuple[Finding, Transition]:
        decision = finding.decision or Decision("", self._now)
        waiver = self._known.get(decision.waiver)
        reason, comment = self._ending(finding, decision, waiver)
        after = replace(
            finding, state=State.REOPENED, changed_at=self._now, decision=None, since=self._now, overdue_told=None
        )
        by = waiver.ended_by if waiver else ""
        return after, Transition(after, finding.state, reason, self._now, by, comment, waiver=decision.waiver)

    def _ending(self, finding: Finding, decision: Decision, waiver: Waiver | None) -> tuple[Reason, str]:
        key = (decision.waiver, finding.id)
        use = self.changed.get(key) or self._uses.get(key)
        until = waiver.until if waiver else decision.until
        if use and use.void_at is not None and waiver and use.grant == waiver.grant:
            return Reason.WAIVER_VOID, use.why
        if until is not None and until <= self._now:
            return Reason.WAIVER_EXPIRED, ""
        return Reason.WAIVER_REMOVED, "" if waiver is None else "it does not cover this any more"


def _is_about(waiver: Waiver, finding: Finding) -> bool:
    """Whether it matches a finding, as far as anybody can see."""
    return waiver.match.matches(finding) or (_held(waiver, finding) and waiver.match.in_doubt(finding))


def _held(waiver: Waiver, finding: Finding) -> bool:
    """Whether it is the one that covered the finding until now."""
    return finding.waived and finding.decision is not None and finding.decision.waiver == waiver.id


def _has(kind: str, names: Iterable[str]) -> bool:
    """Whether resources of the kind have these fields: a fact that cannot be there pins nothing."""
    return is_open(kind) or set(names) <= fields_of(kind).keys()


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _same(one: object, other: object) -> bool:
    """Whether two JSON values are the same; the order of a list says nothing."""
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _told(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def pins_unknown_to(kinds: Sequence[str], names: Iterable[str]) -> Iterator[str]:
    """Those of `names` that none of `kinds` has as a field."""
    known = {name for kind in kinds if not is_open(kind) for name in fields_of(kind)}
    if not any(is_open(kind) for kind in kinds):
        yield from (name for name in names if name not in known)
