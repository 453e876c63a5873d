"""What a press of a button in Slack comes to: it is checked, decided, and whoever pressed is told."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import WebClient

from auditor import clock
from auditor.alerts import slackdialog
from auditor.alerts.answers import unreachable
from auditor.alerts.sinks import slack
from auditor.alerts.sinks.slack import Config
from auditor.alerts.slackerrors import explained
from auditor.alerts.slackpress import Button, Click, Note, Submission
from auditor.alerts.untrusted import one_line, paragraph
from auditor.errors import AuditorError, ConfigError, DeliveryError, StoreError
from auditor.findings import waiverfile
from auditor.findings.model import Finding
from auditor.jobs import decisions
from auditor.jobs.slackpeople import People, Person
from auditor.log import get
from auditor.store import findings
from auditor.store.database import Store
from auditor.terms import State

log = get(__name__)

DAY = 86_400


class Outcome(StrEnum):
    """What came of it."""

    ACKNOWLEDGED = "acknowledged"
    ASKED = "asked"
    """The dialog was opened."""
    WAIVED = "waived"
    STALE = "stale"
    """Nothing was left to decide."""
    REFUSED = "refused"
    """Whoever pressed may not decide it, or the waiver is none."""
    FAILED = "failed"
    """The store or Slack did not do their part."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of decisions."""

    organizations: Collection[str]
    """Those of the configuration."""
    longest: int
    """Seconds that a waiver lasts at most."""


class _Stale(Exception):
    """Nothing is left to decide; the message says why."""


class _Refused(Exception):
    """Whoever pressed may not decide it; the message says why."""


class Desk:
    """Decides what is pressed under the messages of one Slack app. Blocking; used by several threads."""

    def __init__(self, store: Store, config: Config, rules: Rules, now: clock.Clock = clock.now) -> None:
        self._store = store
        self._config = config
        self._rules = rules
        self._now = now
        self._people = People(config)

    def objections(self, sent: Submission) -> dict[str, str]:
        """What is wrong with what was written into the dialog, by its field; neither store nor network is asked."""
        # What the finding is comes later, and is no matter of what was written.
        written = self._written(sent, "nobody") | {"match": {"policy": ["any"]}}
        wrong = waiverfile.faults(written, self._rules.organizations, self._rules.longest)
        if wrong.pop("waiver", "") or "until" in wrong:
            wrong["until"] = f"Choose a day from today on, {self._latest().isoformat()} at the latest."
        if "reason" in wrong:
            wrong["reason"] = f"Say why the risk is accepted, in {slackdialog.REASON_MAX} characters at most."
        if "ticket" in wrong:
            wrong["ticket"] = f"At most {slackdialog.TICKET_MAX} characters."
        known = {name: text for name, text in wrong.items() if name in _FIELDS}
        return known or ({"reason": "; ".join(wrong.values())} if wrong else {})

    def decide(self, what: Click | Submission) -> Outcome:
        """Do what was asked for, or say why not, and tell whoever pressed. Asked for again, it does nothing more."""
        try:
            person = self._people.of(what.by)
            outcome, words = self._done(what, person)
        except _Stale as stale:
            outcome, words = Outcome.STALE, str(stale)
        except _Refused as refused:
            outcome, words = Outcome.REFUSED, str(refused)
        except ConfigError as error:
            outcome, words = Outcome.REFUSED, _sentence(error)
        except StoreError as error:
            log.error("store.failed", error=error.message, hint=error.hint)
            outcome, words = Outcome.FAILED, "Nothing was decided: the store of the auditor does not answer. Try again."
        except DeliveryError as error:
            log.warning("slack.dialog_failed", error=error.message, hint=error.hint)
            outcome, words = Outcome.FAILED, f"Nothing was decided: {_sentence(error)}"
        if words:
            self._tell(what, words)
        log.info("slack.pressed", finding=what.finding, outcome=outcome, by=what.by.id)
        return outcome

    def _done(self, what: Click | Submission, person: Person) -> tuple[Outcome, str]:
        if isinstance(what, Submission):
            return self._waive(what, person)
        if what.button is Button.WAIVE:
            return self._ask(what, person)
        return self._acknowledge(what, person)

    def _acknowledge(self, click: Click, person: Person) -> tuple[Outcome, str]:
        if not person.member and not person.decides(self._config.deciders):
            raise _Refused("Only members of this workspace may acknowledge.")
        found = self._standing(click.finding)
        if found.state is State.ACKNOWLEDGED and found.decision and found.decision.by != person.name:
            raise _Stale(f"{found.decision.by} has acknowledged it already.")
        decisions.acknowledge(self._store, found.id, person.name, "", clock.epoch(self._now()))
        return (
            Outcome.ACKNOWLEDGED,
            f"Acknowledged by {person.name}: it is not repeated, and stays due until it is mended.",
        )

    def _ask(self, click: Click, person: Person) -> tuple[Outcome, str]:
        """Open the dialog: Slack waits three seconds for it."""
        self._permit(person)
        found = self._waivable(click.finding)
        view = slackdialog.waiver(found.title, found.name, Note(found.id, click.channel), self._latest())
        _called("the dialog", lambda client: client.views_open(trigger_id=click.trigger, view=view), self._config)
        return Outcome.ASKED, ""

    def _waive(self, sent: Submission, person: Person) -> tuple[Outcome, str]:
        self._permit(person)
        found = self._waivable(sent.finding, sent.key)
        # What somebody wrote is kept as it can be seen, and in no other way.
        shown = replace(
            sent,
            reason=paragraph(sent.reason, slackdialog.REASON_MAX),
            ticket=one_line(sent.ticket, slackdialog.TICKET_MAX),
        )
        written = self._written(shown, person.name) | {"match": decisions.match_of(found)}
        waiver, _ = decisions.waive(
            self._store,
            found.organization,
            written,
            person.name,
            self._rules.longest,
            self._rules.organizations,
            clock.epoch(self._now()),
            sent.key,
        )
        if waiver.until <= clock.epoch(self._now()):
            raise _Stale(f"The waiver {waiver.id} is over already.")
        return Outcome.WAIVED, f"Waived by {person.name} until {sent.until}: waiver {waiver.id}."

    def _permit(self, person: Person) -> None:
        if not person.decides(self._config.deciders):
            raise _Refused("You are not one of those who may accept risks (`deciders` of the sink). Ask one of them.")

    def _standing(self, id_: str) -> Finding:
        with self._store.transaction() as tx:
            found = findings.by_ids(tx, [id_]).get(id_)
        if found is None or found.organization not in self._rules.organizations:
            raise _Stale("This auditor knows no such finding (any more).")
        if found.state is State.RESOLVED:
            raise _Stale("The finding is resolved: nothing is left to decide.")
        if found.waived:
            raise _Stale(f"The finding is waived already{_by(found)}.")
        return found

    def _waivable(self, id_: str, key: str = "") -> Finding:
        """The finding, if it may be waived; one that the waiver of `key` covers already may be, again."""
        if key:
            with self._store.transaction() as tx:
                found = findings.by_ids(tx, [id_]).get(id_)
            if found and found.decision and found.decision.waiver == f"{waiverfile.STORED}{key}":
                return found
        found = self._standing(id_)
        if found.occurrence:
            raise _Stale("It happened once, and cannot be accepted for a time. Acknowledge it.")
        return found

    def _written(self, sent: Submission, owner: str) -> dict[str, object]:
        """An entry of waivers, still without what it matches."""
        return {
            "reason": sent.reason,
            "owner": owner,
            "ticket": sent.ticket,
            "on": self._now().isoformat(timespec="seconds"),
            "until": sent.until,
        }

    def _latest(self) -> date:
        return clock.from_epoch(clock.epoch(self._now()) + self._rules.longest).date()

    def _tell(self, what: Click | Submission, words: str) -> None:
        message = slackdialog.told(words)
        try:
            _called(
                "the answer",
                lambda client: client.chat_postEphemeral(channel=what.channel, user=what.by.id, **message),
                self._config,
            )
        except AuditorError as error:
            # What was decided is in the store; that nobody was told of it is all that is lost.
            log.warning("slack.answer_failed", error=error.message, hint=error.hint)


_FIELDS = ("reason", "until", "ticket")

_HINTS: Mapping[str, str] = {
    "expired_trigger_id": "Slack waits three seconds for a dialog, and it took longer; press again",
    "missing_scope": "give the bot the scope chat:write and install it again",
    "not_in_channel": "invite the bot to the channel: /invite @auditor",
}


def _called(what: str, call: Callable[[WebClient], object], config: Config) -> None:
    """Call Slack. Raises DeliveryError and ConfigError."""
    try:
        call(slack.web(config))
    except SlackApiError as error:
        raise explained(error, what, _HINTS) from None
    except SlackClientError as error:
        raise unreachable("Slack", error) from None


def _sentence(error: AuditorError) -> str:
    told = f"{error.message} ({error.hint})" if error.hint else error.message
    return told[:1].upper() + told[1:] + "."


def _by(found: Finding) -> str:
    decision = found.decision
    if decision is None:
        return ""
    until = f" until {clock.from_epoch(decision.until - 1).date().isoformat()}" if decision.until else ""
    return f" by {decision.by}{until}"
