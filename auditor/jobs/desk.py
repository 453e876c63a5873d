"""What is asked of whoever decides by a button or a form: something is left to decide, and it is written down."""

from dataclasses import dataclass
from datetime import date

from auditor import clock
from auditor.alerts.untrusted import one_line, paragraph
from auditor.errors import AuditorError
from auditor.findings import waiverfile
from auditor.findings.model import Finding
from auditor.findings.protected import protects
from auditor.findings.waiverfile import REASON_MAX, TICKET_MAX
from auditor.findings.waivers import Waiver
from auditor.jobs import decisions
from auditor.jobs.decisions import LONGEST_COMMENT, Rules
from auditor.store import findings
from auditor.store.database import Store
from auditor.terms import State


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a person wrote to accept a risk. What was left out is empty."""

    reason: str
    until: str
    """The last day, `2027-03-31`."""
    ticket: str = ""
    pinned: tuple[str, ...] = ()
    """Fields of the resource that must stay as they are."""


class Stale(Exception):
    """Nothing is left to decide; the message says why."""


class Refused(Exception):
    """Whoever asked may not decide it; the message says why."""


class Desk:
    """Decides about one finding at a time. Blocking; used by several threads."""

    def __init__(self, store: Store, rules: Rules, now: clock.Clock = clock.now) -> None:
        self._store = store
        self._rules = rules
        self._now = now

    def latest(self) -> date:
        """The last day on which a waiver that is written now may end."""
        return clock.from_epoch(clock.epoch(self._now()) + self._rules.longest).date()

    def objections(self, asked: Acceptance, found: Finding | None = None) -> dict[str, str]:
        """What is wrong with what was written, by its field; without the finding only what is wrong for any."""
        match = decisions.match_of(found) if found else {"policy": ["any"]}
        wrong = waiverfile.faults(
            self._written(asked, "nobody") | {"match": match}, self._rules.organizations, self._rules.longest
        )
        if "until" in wrong:
            wrong["until"] = f"Choose a day from today on, {self.latest().isoformat()} at the latest."
        if "reason" in wrong:
            wrong["reason"] = f"Say why the risk is accepted, in {REASON_MAX} characters at most."
        if "ticket" in wrong:
            wrong["ticket"] = f"At most {TICKET_MAX} characters."
        return wrong

    def acknowledge(self, id_: str, by: str, comment: str = "") -> None:
        """Write down that `by` knows of a finding. Raises Stale; ConfigError and StoreError as `decisions` does."""
        found = self._standing(self._read(id_))
        if found.state is State.ACKNOWLEDGED and found.decision and found.decision.by != by:
            raise Stale(f"{found.decision.by} has acknowledged it already.")
        shown = paragraph(comment, LONGEST_COMMENT)
        decisions.acknowledge(self._store, found.id, by, shown, clock.epoch(self._now()))

    def waivable(self, id_: str, key: str = "") -> Finding:
        """The finding, if it may be waived; one that the waiver of `key` covers already may be, again. Raises Stale."""
        # Read once: of two who ask at the same time, the second would else see itself overtaken by the first.
        found = self._read(id_)
        if key and found and found.decision and found.decision.waiver == f"{waiverfile.STORED}{key}":
            return found
        found = self._standing(found)
        if found.occurrence:
            raise Stale("It happened once, and cannot be accepted for a time. Acknowledge it.")
        if protects(self._rules.policies, found):
            raise Stale(f"Nobody can accept what {found.policy} finds. Acknowledge it.")
        return found

    def waive(self, found: Finding, asked: Acceptance, by: str, key: str) -> Waiver:
        """Accept the risk of a finding that is `waivable`, once for each `key`.

        Raises Stale; ConfigError and StoreError as `decisions` does.
        """
        # What somebody wrote is kept as it can be seen, and in no other way.
        shown = Acceptance(
            paragraph(asked.reason, REASON_MAX), asked.until, one_line(asked.ticket, TICKET_MAX), asked.pinned
        )
        now = clock.epoch(self._now())
        waiver, _ = decisions.waive(
            self._store,
            found.organization,
            self._written(shown, by) | {"match": decisions.match_of(found)},
            by,
            self._rules,
            now,
            key,
        )
        if waiver.until <= now:
            raise Stale(f"The waiver {waiver.id} is over already.")
        return waiver

    def known(self, id_: str) -> Finding | None:
        """The finding, if it is one of the organizations that are decided about here. Raises StoreError."""
        found = self._read(id_)
        return found if found and found.organization in self._rules.organizations else None

    def _read(self, id_: str) -> Finding | None:
        with self._store.transaction() as tx:
            return findings.by_ids(tx, [id_]).get(id_)

    def _standing(self, found: Finding | None) -> Finding:
        if found is None or found.organization not in self._rules.organizations:
            raise Stale("This auditor knows no such finding (any more).")
        if found.state is State.RESOLVED:
            raise Stale("The finding is resolved: nothing is left to decide.")
        if found.waived:
            raise Stale(f"The finding is waived already{_by(found)}.")
        return found

    def _written(self, asked: Acceptance, owner: str) -> dict[str, object]:
        """An entry of waivers, still without what it matches."""
        return {
            "reason": asked.reason,
            "owner": owner,
            "ticket": asked.ticket,
            "on": self._now().isoformat(timespec="seconds"),
            "until": asked.until,
            "pinned": list(asked.pinned),
        }


def sentence(error: AuditorError) -> str:
    """An error as a person is told of it."""
    told = f"{error.message} ({error.hint})" if error.hint else error.message
    return told[:1].upper() + told[1:] + "."


def _by(found: Finding) -> str:
    decision = found.decision
    if decision is None:
        return ""
    until = f" until {clock.last_day(decision.until)}" if decision.until else ""
    return f" by {decision.by}{until}"
