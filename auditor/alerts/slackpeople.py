"""Finds people in Slack by their e-mail address, and the direct message to each.

Methods: https://docs.slack.dev/reference/methods/users.lookupByEmail and
https://docs.slack.dev/reference/methods/conversations.open
"""

import threading
import time

from slack_sdk.errors import SlackApiError
from slack_sdk.web import WebClient

from auditor.alerts.slackerrors import said

KNOWN_FOR, UNKNOWN_FOR = 6 * 3600, 600
"""Seconds for which a person who was found, and one who was not, is not looked for again."""
PEOPLE_MAX = 10_000

_UNKNOWN = frozenset({"users_not_found", "user_not_found", "user_not_visible", "user_disabled", "cannot_dm_bot"})
"""Slack's words for: there is nobody to write to."""


class People:
    """Whom Slack knows, as far as somebody asked. May be used from any thread."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def direct(self, client: WebClient, address: str) -> str:
        """The id of the direct message to the person; empty when Slack knows nobody of that address.

        Raises SlackApiError when Slack does not say.
        """
        with self._lock:
            until, channel = self._known.get(address, (0.0, ""))
        if time.monotonic() < until:
            return channel
        channel = _found(client, address)
        with self._lock:
            if len(self._known) >= PEOPLE_MAX:
                self._known.clear()
            self._known[address] = (time.monotonic() + (KNOWN_FOR if channel else UNKNOWN_FOR), channel)
        return channel

    def forget(self, address: str) -> None:
        """What is known of the person turned out to be wrong."""
        with self._lock:
            self._known.pop(address, None)


def _found(client: WebClient, address: str) -> str:
    try:
        user = client.users_lookupByEmail(email=address)["user"]
        opened = client.conversations_open(users=str(user["id"]))["channel"]
    except SlackApiError as error:
        if said(error) in _UNKNOWN:
            return ""
        raise
    return str(opened["id"])
