"""What a person decides: acknowledge a finding, waive findings, end a waiver. The same for a command, a button, a page.

Nothing is announced from here: people were there, and a fault that is told again is told by the next snapshot. Where
the finding was told it is marked a little later, by auditor/jobs/review.py.
"""

import glob
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from auditor.errors import ConfigError, some
from auditor.findings import waiverfile
from auditor.findings.model import Decision, Finding, Reason, Transition
from auditor.findings.protected import reach
from auditor.findings.waiverbook import Known
from auditor.findings.waivers import Origin, Waiver, decide
from auditor.policy.model import Policy
from auditor.store import findings, organizations, transitions, waivers
from auditor.store.database import Store, Transaction
from auditor.terms import State

LONGEST_COMMENT = 2000
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of waivers."""

    organizations: Collection[str]
    """Those of the configuration."""
    longest: int
    """Seconds that one lasts at most."""
    policies: Mapping[str, Policy]
    """Those in force, by name: what some of them find nobody can waive."""


def acknowledge(store: Store, id_: str, by: str, comment: str, now: int) -> Finding:
    """Write down that `by` knows of a finding; returns it. Done twice by one person it stays as it is.

    Raises ConfigError for a finding that does not exist, is resolved or waived, and for a name that is none and a
    comment too long.
    """
    by = _named(by)
    if len(comment) > LONGEST_COMMENT:
        raise ConfigError(f"a comment has at most {LONGEST_COMMENT} characters")
    with store.transaction() as tx:
        organizations.hold(tx, _found(tx, id_).organization)
        before = _standing(tx, id_)
        if before.decision and before.state is State.ACKNOWLEDGED and before.decision.by == by:
            return before
        decision = Decision(by, now, comment)
        after = replace(before, state=State.ACKNOWLEDGED, changed_at=now, decision=decision)
        told = Transition(after, before.state, Reason.ACKNOWLEDGED, now, by, comment)
        findings.save(tx, [after])
        transitions.add(tx, [told], run_id=None)
        return after


def _named(by: str) -> str:
    """Whoever decides, without blanks around. Raises ConfigError for nobody: history must say who it was."""
    name = by.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ConfigError(f"whoever decides has a name of 1 to {LONGEST_NAME} characters", hint="say who it is")
    return name


def _found(tx: Transaction, id_: str) -> Finding:
    found = findings.by_ids(tx, [id_]).get(id_)
    if found is None:
        raise ConfigError(f"there is no finding {id_!r}", hint="`auditor findings list` names them")
    return found


def _standing(tx: Transaction, id_: str) -> Finding:
    found = _found(tx, id_)
    active = findings.active(tx, found.organization).get(id_)
    if active is None:
        raise ConfigError(f"the finding {id_} is resolved", hint="nothing is left to acknowledge")
    if active.waived:
        raise ConfigError(f"the finding {id_} is waived", hint="`auditor waivers expire ID` ends the waiver")
    return active


def waive(
    store: Store,
    organization: str,
    written: Mapping[str, object],
    by: str,
    rules: Rules,
    now: int,
    key: str = "",
) -> tuple[Waiver, int]:
    """Write a waiver into the store; returns it and how many findings it covers from now on.

    `written` is an entry as waivers.yaml has it, without an id. One that pins facts needs to see them, and covers
    nothing before the next snapshot. With a `key` (lower case letters and digits) it is done once, however often it
    is asked for: after that, the first waiver is returned as it stands. Raises ConfigError with everything that is
    wrong with it, for one that would cover only what nobody can waive, and for a name that is none.
    """
    by = _named(by)
    id_ = f"{waiverfile.STORED}{key or uuid.uuid4().hex[:8]}"
    waiver = waiverfile.single(written, rules.organizations, rules.longest)
    waiver = replace(waiver, id=id_, origin=Origin.STORE, by=by)
    if (taken := reach(waiver.match, rules.policies.values())).is_vain:
        message = f"findings of {some(taken.beyond)} cannot be waived"
        raise ConfigError(message, hint="`auditor findings ack` says that somebody knows of one")
    with store.transaction() as tx:
        organizations.hold(tx, organization)
        if key and (
            before := next((each for each in waivers.listing(tx, organization) if each.waiver.id == id_), None)
        ):
            return before.waiver.within(rules.longest), 0
        waivers.write(tx, organization, waiver, now)
        standing = findings.active(tx, organization).values()
        left = [each for each in standing if not each.waived]
        decided = decide([waiver], left, lambda _: None, {}, rules.policies, now)
        findings.save(tx, decided.findings)
        transitions.add(tx, decided.transitions, run_id=None)
        # Nothing is known of the others: only a whole pass looks at all of them.
        waivers.note_match(tx, organization, waiver.id, decided.matched.get(waiver.id, 0), now)
    return waiver, len(decided.findings)


def match_of(finding: Finding) -> dict[str, list[str]]:
    """The conditions, as waivers.yaml has them, that only this finding and its like in time fulfil."""
    resource = "/".join(finding.ids)
    return {"policy": [finding.policy], "kind": [finding.kind], "resource": [glob.escape(resource)]}


def end(store: Store, organization: str, id_: str, by: str, now: int, longest: int) -> Waiver:
    """End a waiver of the store before its time; the next snapshot tells what it covered.

    `longest` is how many seconds a waiver lasts at most.
    Raises ConfigError for one that does not exist, is over, or stands in the file, and for a name that is none.
    """
    by = _named(by)
    with store.transaction() as tx:
        organizations.hold(tx, organization)
        known = _known(tx, organization, id_)
        if known.waiver.origin is Origin.FILE:
            raise of_file(id_)
        if known.waiver.within(longest).until <= now:
            raise ConfigError(f"the waiver {id_} is over already")
        # One that has not begun yet never holds.
        ended = replace(known.waiver, until=now, on=min(known.waiver.on, now), ended_by=by)
        waivers.write(tx, organization, ended, now)
        return ended


def of_file(id_: str) -> ConfigError:
    """Why a waiver of the file is not ended: what stands there holds, whatever the store says."""
    return ConfigError(f"the waiver {id_} stands in the file of waivers", hint="delete it there, or end it there")


def _known(tx: Transaction, organization: str, id_: str) -> Known:
    known = {each.waiver.id: each for each in waivers.listing(tx, organization)}
    if id_ not in known:
        raise ConfigError(f"there is no waiver {id_!r}", hint="`auditor waivers list` names them")
    return known[id_]
