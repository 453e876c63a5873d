"""The interactive side of a fake Slack: sockets, clicks, dialogs and what single people are told.

It holds the auditor to Slack's rules: each envelope confirmed within three seconds, a dialog opened with a trigger that
is fresh and used once, views within their limits.
https://docs.slack.dev/apis/events-api/using-socket-mode and https://docs.slack.dev/reference/interaction-payloads
"""

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from auditor.simulator.slack_calls import Body, Refusal, checked
from auditor.simulator.slack_envelopes import PATIENCE, Sent, Whisper
from auditor.simulator.slack_views import asked_view
from auditor.simulator.slack_websocket import Connection, accept
from auditor.simulator.slack_workspace import APP_TOKEN, TEAM, FakeSlack, Posted

APP = "A00000001"


class Interactive:
    """Makes the buttons of a workspace work, on a port of its own, until it is closed."""

    def __init__(self, slack: FakeSlack) -> None:
        self.slack = slack
        slack.interactive = self
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._tickets: set[str] = set()
        self._triggers: dict[str, float] = {}
        self._sent: dict[str, Sent] = {}
        self.connections: list[Connection] = []
        """Those that stand, oldest first."""
        self.opened = 0
        """How many there were."""
        self.refuse = ""
        """The word with which apps.connections.open is refused."""
        self.greets = True
        self.address = ""
        """What apps.connections.open answers instead of a good address."""
        self.people: dict[str, dict[str, Any]] = {}
        """Accounts by id, as users.info tells them."""
        self.views: list[dict[str, Any]] = []
        self.whispers: list[Whisper] = []
        threading.Thread(target=self._serve, name="slack sockets", daemon=True).start()

    def close(self) -> None:
        """End all connections, and take no more."""
        self.slack.interactive = None
        self._listener.close()
        for each in list(self.connections):
            each.cut()

    def add_person(self, id_: str, email: str = "", **more: Any) -> None:
        """An account of the workspace."""
        profile = {"real_name": f"Person {id_}"} | ({"email": email} if email else {})
        self.people[id_] = {"id": id_, "team_id": TEAM, "name": id_.lower(), "profile": profile, **more}

    # What the auditor asks for.

    def open(self, token: str) -> str:
        """The address of a new connection."""
        if self.refuse:
            raise Refusal(self.refuse)
        if token != APP_TOKEN:
            raise Refusal("not_allowed_token_type" if token == self.slack.token else "invalid_auth")
        ticket = f"ticket-{next(self._numbers)}"
        self._tickets.add(ticket)
        port = self._listener.getsockname()[1]
        return self.address or f"ws://127.0.0.1:{port}/link/?ticket={ticket}&app_id={APP}"

    def show(self, body: Body) -> dict[str, Any]:
        """Open a dialog."""
        started = self._triggers.pop(str(body.get("trigger_id")), None)
        if started is None:
            raise Refusal("invalid_trigger_id")
        if time.monotonic() - started > PATIENCE:
            raise Refusal("expired_trigger_id")
        view = {
            **asked_view(body, self.views),
            "id": f"V{next(self._numbers):08d}",
            "team_id": TEAM,
            "state": {"values": {}},
        }
        with self._changed:
            self.views.append(view)
            self._changed.notify_all()
        return view

    def whisper(self, body: Body) -> str:
        """Show a message to one person."""
        channel = self.slack.find_channel(body.get("channel"))
        blocks, text = checked(body)
        if not channel.member:
            raise Refusal("not_in_channel")
        with self._changed:
            self.whispers.append(Whisper(channel.id, str(body.get("user")), text, blocks))
            self._changed.notify_all()
        return f"{next(self._numbers)}.000001"

    def person(self, id_: str) -> dict[str, Any]:
        """What is known of an account."""
        if id_ not in self.people:
            raise Refusal("user_not_found")
        return self.people[id_]

    # What people and Slack do.

    def click(self, user: str, message: Posted, action: str) -> Sent:
        """Somebody presses a button of a message."""
        return self.press(user, message.channel, action, _element(message, action)["value"])

    def choose(self, user: str, message: Posted, action: str, words: str) -> Sent:
        """Somebody chooses in a menu of a message the option whose text holds `words`."""
        (option,) = [each for each in _element(message, action)["options"] if words in each["text"]["text"]]
        chosen = {"action_id": action, "type": "static_select", "selected_option": option}
        return self.press(user, message.channel, action, "", {"actions": [{**chosen, "action_ts": "1.000001"}]})

    def press(self, user: str, channel: str, action: str, value: str, more: Mapping[str, Any] | None = None) -> Sent:
        """Somebody presses a button, whether it stands there or not; `more` says what else is in the payload."""
        trigger = f"{next(self._numbers)}.{TEAM}.trigger"
        self._triggers[trigger] = time.monotonic()
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": user.lower(), "team_id": TEAM},
            "api_app_id": APP,
            "team": {"id": TEAM, "domain": "example"},
            "enterprise": None,
            "channel": {"id": channel, "name": "security"},
            "container": {"type": "message", "channel_id": channel},
            "trigger_id": trigger,
            "actions": [{"action_id": action, "type": "button", "value": value, "action_ts": f"{time.time():.6f}"}],
        }
        return self.envelope(payload | dict(more or {}))

    def submit(self, user: str, view: Mapping[str, Any], reason: str, until: str, ticket: str = "") -> Sent:
        """Somebody sends a dialog off."""
        values = {
            "reason": {"reason": {"type": "plain_text_input", "value": reason or None}},
            "until": {"until": {"type": "datepicker", "selected_date": until or None}},
            "ticket": {"ticket": {"type": "plain_text_input", "value": ticket or None}},
        }
        payload = {
            "type": "view_submission",
            "user": {"id": user, "username": user.lower(), "team_id": TEAM},
            "api_app_id": APP,
            "team": {"id": TEAM, "domain": "example"},
            "trigger_id": f"{next(self._numbers)}.{TEAM}.trigger",
            "view": {**view, "state": {"values": values}},
        }
        return self.envelope(payload)

    def envelope(self, payload: object, kind: str = "interactive") -> Sent:
        """Send a payload over the newest connection."""
        id_ = f"envelope-{next(self._numbers)}"
        return self.again(
            Sent(id_, {"type": kind, "envelope_id": id_, "payload": payload, "accepts_response_payload": True})
        )

    def again(self, sent: Sent) -> Sent:
        """Send an envelope, however often it was sent before."""
        fresh = Sent(sent.id, sent.message)
        self._sent[sent.id] = fresh
        self.newest().text(json.dumps(sent.message))
        return fresh

    def disconnect(self, reason: str) -> None:
        """Ask for another connection, as Slack does every few hours."""
        self.newest().text(json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "fake"}}))

    def newest(self) -> Connection:
        """The connection that stands since the shortest time; waits for one."""
        self.wait(lambda: bool(self.connections))
        return self.connections[-1]

    def wait(self, claim: Callable[[], bool], seconds: float = 10.0) -> None:
        """Until `claim` holds; raises TimeoutError when it does not come to that."""
        with self._changed:
            if not self._changed.wait_for(claim, seconds):
                raise TimeoutError

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,), name="slack socket", daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        try:
            connection = accept(peer, self._admits)
        except (OSError, EOFError):
            peer.close()
            return
        if connection is None:
            return
        with self._changed, suppress(OSError):  # who is gone again needs no greeting
            self.opened += 1
            self.connections.append(connection)
            self._changed.notify_all()
            if self.greets:
                info = {"connection_info": {"app_id": APP}, "num_connections": len(self.connections)}
                connection.text(json.dumps({"type": "hello", **info}))
        connection.serve(self._confirmed)
        with self._changed:
            self.connections.remove(connection)
            self._changed.notify_all()

    def _admits(self, path: str) -> bool:
        ticket = path.partition("ticket=")[2].partition("&")[0]
        if ticket not in self._tickets:
            return False
        self._tickets.remove(ticket)
        return True

    def _confirmed(self, text: str) -> None:
        answer = json.loads(text)
        sent = self._sent[answer["envelope_id"]]
        sent.answer = answer.get("payload") or {}
        sent.late = time.monotonic() - sent.at > PATIENCE
        sent.confirmed.set()


def _element(message: Posted, action: str) -> dict[str, Any]:
    """The button or menu of a message."""
    found: list[dict[str, Any]] = [
        each
        for block in message.blocks
        if block["type"] == "actions"
        for each in block["elements"]
        if each["action_id"] == action
    ]
    (one,) = found
    return one
