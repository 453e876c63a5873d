"""Fakes of the services that sinks post to: each refuses what its documentation says, and keeps what it took."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


@dataclass(frozen=True)
class Call:
    """A request as it arrived."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON in UTF-8."""
        return json.loads(self.body.decode("utf-8"))


Reply = tuple[int, object]
"""Status and body: bytes as they are, anything else as JSON."""


class Service(Protocol):
    """What answers."""

    def answer(self, call: Call) -> Reply:
        """The reply of the service."""


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """The address of a running service; `headers` that it has are answered, too."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told = service.answer(Call(self.path, headers, body))
            data = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            for name, value in getattr(service, "headers", {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def handle(self) -> None:
            with suppress(ConnectionError):  # who asked has gone
                super().handle()

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        """Five are too few for what a sink asks at once."""

    served = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{served.server_address[1]}"
    finally:
        served.shutdown()
        served.server_close()


@dataclass
class FakeReceiver:
    """A receiver of webhooks that checks signatures with the reference library."""

    secret: str
    taken: list[Call] = field(default_factory=list)

    def answer(self, call: Call) -> Reply:
        """401 for a signature that is none."""
        try:
            Webhook(self.secret).verify(call.body, dict(call.headers))
        except (WebhookVerificationError, ValueError):
            return 401, b"bad signature"
        self.taken.append(call)
        return 204, b""


@dataclass
class FakePagerDuty:
    """Rules of https://developer.pagerduty.com/docs/send-alert-event and its limits."""

    routing_key: str
    alerts: dict[str, str] = field(default_factory=dict)
    """State by dedup_key, as the service keeps it."""
    taken: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, call: Call) -> Reply:
        """202 when the event is sound."""
        if call.path != "/v2/enqueue" or len(call.body) > 512 * 1024:
            return 413 if call.path == "/v2/enqueue" else 404, b""
        event = call.json
        faults = list(self._faults(event))
        if faults:
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": faults}
        self.taken.append(event)
        state = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}[event["event_action"]]
        if state == "triggered" or event["dedup_key"] in self.alerts:
            self.alerts[event["dedup_key"]] = state
        return 202, {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}

    def _faults(self, event: dict[str, Any]) -> Iterator[str]:
        known = {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"}
        yield from (f"unknown field {name}" for name in event.keys() - known)
        if event.get("routing_key") != self.routing_key or len(self.routing_key) != 32:
            yield "Invalid routing key"
        if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
            yield "event_action"
        if not 0 < len(event.get("dedup_key", "")) <= 255:
            yield "dedup_key"
        if event.get("event_action") == "trigger":
            yield from self._payload_faults(event.get("payload") or {})
        yield from ("links" for link in event.get("links", []) if not str(link.get("href")).startswith("http"))

    def _payload_faults(self, payload: dict[str, Any]) -> Iterator[str]:
        if not 0 < len(payload.get("summary", "")) <= 1024:
            yield "'payload.summary' is missing, blank or too long"
        if not payload.get("source"):
            yield "'payload.source' is missing or blank"
        if payload.get("severity") not in ("critical", "warning", "error", "info"):
            yield "'payload.severity' is invalid"
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", payload.get("timestamp", "")):
            yield "'payload.timestamp' is invalid"
        if not isinstance(payload.get("custom_details", {}), dict):
            yield "'payload.custom_details' is no object"


@dataclass
class FakeTeams:
    """A workflow that posts cards: 28 kB, and the elements of Adaptive Cards 1.4 that read no Markdown."""

    signature: str
    cards: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, call: Call) -> Reply:
        """202 for a card that Teams can show."""
        if f"sig={self.signature}" not in call.path:
            return 401, {"error": {"code": "DirectApiAuthorizationRequired"}}
        if len(call.body) > 28 * 1024:
            return 413, b""
        message = call.json
        (attached,) = message["attachments"]
        card = attached["content"]
        if (message["type"], attached["contentType"]) != ("message", "application/vnd.microsoft.card.adaptive"):
            return 400, b""
        if card["type"] != "AdaptiveCard" or card["version"] > "1.5" or list(self._faults(card)):
            return 400, {"error": {"code": "InvalidBotAdaptiveCard"}}
        self.cards.append(card)
        return 202, b""

    def _faults(self, card: dict[str, Any]) -> Iterator[str]:
        for block in card["body"]:
            if block.keys() != {"type", "inlines"} or block["type"] != "RichTextBlock" or not block["inlines"]:
                yield "block"
            for run in block["inlines"]:
                known = {"type", "text", "weight", "size", "color", "isSubtle"}
                if run["type"] != "TextRun" or not run["text"] or run.keys() - known:
                    yield "run"
                if run.get("color", "default") not in ("default", "accent", "good", "warning", "attention"):
                    yield "color"
        for action in card["actions"]:
            if action["type"] != "Action.OpenUrl" or not action["url"].startswith("http"):
                yield "action"

    def texts(self) -> list[str]:
        """What the last card shows."""
        return ["".join(run["text"] for run in block["inlines"]) for block in self.cards[-1]["body"]]


@dataclass
class FakeSplunk:
    """An HTTP Event Collector with its codes."""

    token: str
    indexes: tuple[str, ...] = ("security",)
    busy: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, call: Call) -> Reply:
        """200 with code 0 for an event that was taken."""
        if call.path != "/services/collector/event":
            return 404, {"text": "The requested URL was not found on this server.", "code": 404}
        refusal = self._refusal(call)
        if refusal:
            return refusal
        self.events.append(call.json)
        return 200, {"text": "Success", "code": 0}

    def _refusal(self, call: Call) -> Reply | None:
        if self.busy:
            return 503, {"text": "Server is busy", "code": 9}
        if call.headers.get("authorization") != f"Splunk {self.token}":
            return 403, {"text": "Invalid token", "code": 4}
        if len(call.body) > 1_000_000:
            return 413, {"text": "Content too large", "code": 27}
        event = call.json
        if event.keys() - {"time", "host", "source", "sourcetype", "index", "event", "fields"} or not event["event"]:
            return 400, {"text": "Invalid data format", "code": 6, "invalid-event-number": 0}
        if event.get("index", "security") not in self.indexes:
            return 400, {"text": "Incorrect index", "code": 7, "invalid-event-number": 1}
        return None


@dataclass
class FakeAlertmanager:
    """Rules of the API v2: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml"""

    token: str = ""
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The latest by its labels."""

    def answer(self, call: Call) -> Reply:
        """200 and nothing for alerts that are sound."""
        if call.path != "/api/v2/alerts":
            return 404, b"404 page not found"
        if self.token and call.headers.get("authorization") != f"Bearer {self.token}":
            return 401, b"Unauthorized"
        for alert in call.json:
            names = [*alert["labels"], *alert["annotations"]]
            if not alert["labels"] or any(not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name in names):
                return 400, json.dumps("invalid label set").encode()
            if alert["endsAt"] < alert["startsAt"] or not all(alert["labels"].values()):
                return 400, json.dumps("start time must be before end time").encode()
            self.alerts[json.dumps(alert["labels"], sort_keys=True)] = alert
        return 200, b""
