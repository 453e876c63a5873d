"""What a press of a button in Slack comes to: it is checked, decided, and whoever pressed is told."""

from collections.abc import Callable, Mapping
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
from auditor.errors import AuditorError, ConfigError, DeliveryError, StoreError
from auditor.jobs import desk
from auditor.jobs.decisions import Rules
from auditor.jobs.desk import Acceptance, Refused, Stale
from auditor.jobs.slackpeople import People, Person
from auditor.log import get
from auditor.store.database import Store

log = get(__name__)


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


class Desk:
    """Decides what is pressed under the messages of one Slack app. Blocking; used by several threads."""

    def __init__(self, store: Store, config: Config, rules: Rules, now: clock.Clock = clock.now) -> None:
        self._desk = desk.Desk(store, rules, now)
        self._config = config
        self._people = People(config)

    def objections(self, sent: Submission) -> dict[str, str]:
        """What is wrong with what was written into the dialog, by its field; neither store nor network is asked."""
        wrong = self._desk.objections(_acceptance(sent))
        known = {name: text for name, text in wrong.items() if name in _FIELDS}
        return known or ({"reason": "; ".join(wrong.values())} if wrong else {})

    def decide(self, what: Click | Submission) -> Outcome:
        """Do what was asked for, or say why not, and tell whoever pressed. Asked for again, it does nothing more."""
        about = f"Finding {what.finding}"
        try:
            found = self._desk.known(what.finding)
            about = slackdialog.about(found) if found else about
            person = self._people.of(what.by)
            outcome, words = self._done(what, person)
        except Stale as stale:
            outcome, words = Outcome.STALE, str(stale)
        except Refused as refused:
            outcome, words = Outcome.REFUSED, str(refused)
        except ConfigError as error:
            outcome, words = Outcome.REFUSED, desk.sentence(error)
        except StoreError as error:
            log.error("store.failed", error=error.message, hint=error.hint)
            outcome, words = Outcome.FAILED, "Nothing was decided: the store of the auditor does not answer. Try again."
        except DeliveryError as error:
            log.warning("slack.dialog_failed", error=error.message, hint=error.hint)
            outcome, words = Outcome.FAILED, f"Nothing was decided: {desk.sentence(error)}"
        if words:
            self._tell(what, f"{words}\n{about}")
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
            raise Refused("Only members of this workspace may acknowledge.")
        self._desk.acknowledge(click.finding, person.name)
        return (
            Outcome.ACKNOWLEDGED,
            f"Acknowledged by {person.name}: it is not repeated, and stays due until it is mended.",
        )

    def _ask(self, click: Click, person: Person) -> tuple[Outcome, str]:
        """Open the dialog: Slack waits three seconds for it."""
        self._permit(person)
        found = self._desk.waivable(click.finding)
        view = slackdialog.waiver(found, Note(found.id, click.channel), self._desk.latest())
        _called("the dialog", lambda client: client.views_open(trigger_id=click.trigger, view=view), self._config)
        return Outcome.ASKED, ""

    def _waive(self, sent: Submission, person: Person) -> tuple[Outcome, str]:
        self._permit(person)
        found = self._desk.waivable(sent.finding, sent.key)
        waiver = self._desk.waive(found, _acceptance(sent), person.name, sent.key)
        return Outcome.WAIVED, f"Waived by {person.name} until {sent.until}: waiver {waiver.id}."

    def _permit(self, person: Person) -> None:
        if not person.decides(self._config.deciders):
            raise Refused("You are not one of those who may accept risks (`deciders` of the sink). Ask one of them.")

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


def _acceptance(sent: Submission) -> Acceptance:
    return Acceptance(sent.reason, sent.until, sent.ticket)


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
