"""Finds people in Slack by their e-mail address, and the direct message to each.

Methods: https://docs.slack.dev/reference/methods/users.lookupByEmail and
https://docs.slack.dev/reference/methods/conversations.open
"""

from slack_sdk.errors import SlackApiError
from slack_sdk.web import WebClient

from auditor.alerts.recent import Recent
from auditor.alerts.slackerrors import said, told

KNOWN_FOR, UNKNOWN_FOR = 6 * 3600, 600
"""Seconds for which a person who was found, and one who was not, is not looked for again."""
PEOPLE_MAX = 10_000

_UNKNOWN = frozenset({"users_not_found", "user_not_found", "user_not_visible", "user_disabled", "cannot_dm_bot"})
"""Slack's words for: there is nobody to write to."""


class People:
    """Whom Slack knows, as far as somebody asked. May be used from any thread."""

    def __init__(self) -> None:
        self._known: Recent[str, str] = Recent(PEOPLE_MAX)

    def direct(self, client: WebClient, address: str) -> str:
        """The id of the direct message to the person; empty when Slack knows nobody of that address.

        Raises SlackApiError when Slack does not say, and DeliveryError when it says nothing that makes sense.
        """
        known = self._known.get(address)
        if known is not None:
            return known
        channel = _found(client, address)
        return self._known.keep(address, channel, KNOWN_FOR if channel else UNKNOWN_FOR)

    def forget(self, address: str) -> None:
        """What is known of the person turned out to be wrong."""
        self._known.forget(address)


def _found(client: WebClient, address: str) -> str:
    try:
        user = told(client.users_lookupByEmail(email=address), "user", "id")
        return told(client.conversations_open(users=user), "channel", "id")
    except SlackApiError as error:
        if said(error) in _UNKNOWN:
            return ""
        raise
