"""Who presses buttons in Slack: under which name it is written down, and what they may decide."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError

from auditor.alerts.recent import Recent
from auditor.alerts.sinks import slack
from auditor.alerts.sinks.slack import Config
from auditor.alerts.slackerrors import explained
from auditor.alerts.slackpress import Presser
from auditor.alerts.untrusted import one_line
from auditor.errors import AuditorError
from auditor.log import get

log = get(__name__)

FRESH = 600.0
"""Seconds for which Slack's word about a person is good."""
NAME_MAX = 120
KEPT = 1000

_HINTS = {"missing_scope": "give the bot the scopes users:read and users:read.email and install it again"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who pressed a button."""

    id: str
    name: str
    """As it is written down: the e-mail address, which is nobody else's, or the id beside the name of their choice."""
    email: str = ""
    """Empty where Slack does not tell it, or has not confirmed it."""
    member: bool = True
    """Whether the account is of the workspace itself, and not shared with it, deleted, or a program."""

    def decides(self, deciders: tuple[str, ...]) -> bool:
        """Whether they are one of `deciders`."""
        return self.id in deciders or (self.member and self.email != "" and self.email in deciders)


class People:
    """Asks Slack for people, and remembers the answer for a while. Used by several threads."""

    def __init__(self, config: Config, now: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._known: Recent[tuple[str, str], Mapping[str, Any]] = Recent(KEPT, now)

    def of(self, presser: Presser) -> Person:
        """The person; what Slack does not tell is left out, and whoever it does not know has their id for a name."""
        said = self._said(presser)
        profile = said.get("profile")
        profile = profile if isinstance(profile, Mapping) else {}
        email = str(profile.get("email") or "").casefold() if said.get("is_email_confirmed", True) is True else ""
        chosen = one_line(str(profile.get("real_name") or said.get("real_name") or said.get("name") or ""), NAME_MAX)
        name = one_line(email, NAME_MAX) or (f"{chosen} ({presser.id})" if chosen else presser.id)
        return Person(presser.id, name, email, _is_member(presser, said))

    def _said(self, presser: Presser) -> Mapping[str, Any]:
        key = (presser.team, presser.id)
        known = self._known.get(key)
        if known is not None:
            return known
        try:
            answer = slack.web(self._config).users_info(user=presser.id).get("user")
        except (AuditorError, SlackClientError) as error:
            # Their id is a good enough name, and whoever is named by it may decide.
            told = explained(error, "the name of a person", _HINTS) if isinstance(error, SlackApiError) else error
            log.warning("slack.person_unknown", error=str(told), hint=getattr(told, "hint", ""))
            return {}
        return self._known.keep(key, answer if isinstance(answer, Mapping) else {}, FRESH)


def _is_member(presser: Presser, said: Mapping[str, Any]) -> bool:
    if any(said.get(name) for name in ("deleted", "is_bot", "is_stranger")):
        return False
    home = said.get("enterprise_user")
    enterprise = home.get("enterprise_id") if isinstance(home, Mapping) else None
    if presser.enterprise and enterprise == presser.enterprise:
        return True
    return (
        bool(presser.team) and presser.team == presser.workspace and said.get("team_id", presser.team) == presser.team
    )
