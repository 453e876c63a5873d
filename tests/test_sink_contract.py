"""What every sink owes the outbox. It runs over every file of `sinks/`, by the examples in it."""

import asyncio
import contextlib
import importlib
import io
import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from auditor.alerts.answers import RETRY_AFTER_MAX
from auditor.alerts.message import Alert, AlertKind, Line, key
from auditor.alerts.registry import build, described, kinds
from auditor.alerts.samples import group, samples
from auditor.alerts.sink import Context, Example, SinkConfig
from auditor.errors import ConfigError, DeliveryError
from auditor.terms import Level

CANARY = "canary0123456789"
TOKEN = f"xoxb-{CANARY}"
ALERT = Alert("a1", AlertKind.OPENED, "acme", Level.HIGH, "Title", "Text", 1_767_225_600)

Settings = dict[str, object]


def places(example: Example) -> set[str]:
    """What is left open in its settings."""
    return set(re.findall(r"\{\w+\}", " ".join(example.settings.values())))


EXAMPLES: Mapping[str, Example] = {
    name: example
    for kind in kinds()
    for name, example in importlib.import_module(f"auditor.alerts.sinks.{kind}").EXAMPLES.items()
}
"""By the name of the example, which begins with the kind of the sink."""
HTTP = [name for name, example in EXAMPLES.items() if example.status]
STRICT = [name for name in HTTP if not EXAMPLES[name].any_body]
REMOTE = [name for name, example in EXAMPLES.items() if {"{address}", "{port}"} & places(example)]


@dataclass
class Peer:
    """A server that answers as told."""

    address: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0
    length: int | None = None
    """Content-Length to announce, when it is a lie."""
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def server() -> Iterator[Peer]:
    peer = Peer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            peer.requests.append(f"{self.command} {self.path}")
            status, headers, body = peer.status, dict(peer.headers), peer.body
            length = len(body) if peer.length is None else peer.length
            time.sleep(peer.delay)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *args: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.daemon_threads = True
    threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    peer.address = f"http://127.0.0.1:{served.server_address[1]}"
    yield peer
    served.shutdown()
    served.server_close()


@pytest.fixture
def peer(server: Peer) -> Peer:
    server.status, server.headers, server.body, server.delay, server.length = 200, {}, b"", 0, None
    server.requests.clear()
    return server


def settings(name: str, address: str = "http://127.0.0.1:9", folder: str = "/nonexistent") -> Settings:
    host, _, port = address.removeprefix("http://").rpartition(":")
    filled = {"{address}": address, "{host}": host, "{port}": port, "{folder}": folder, "{secret}": CANARY}
    raw = dict(EXAMPLES[name].settings)
    for place, value in filled.items():
        raw = {key: text.replace(place, value) for key, text in raw.items()}
    return {"type": name.split(maxsplit=1)[0], **raw}


def confirm(peer: Peer, name: str) -> None:
    """Let the peer answer as the service does when it takes a message."""
    peer.status = EXAMPLES[name].status
    peer.body = EXAMPLES[name].body.replace(b"{key}", key(ALERT).encode())


async def failure(raw: Settings) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await build("security", raw).send(ALERT, Context())
    return caught.value


def test_every_sink_has_examples_and_so_is_in_this_suite() -> None:
    assert {name.split()[0] for name in EXAMPLES} == set(kinds())


@pytest.mark.parametrize("kind", kinds())
def test_a_sink_is_four_names_and_says_where_its_format_is_from(kind: str) -> None:
    module = importlib.import_module(f"auditor.alerts.sinks.{kind}")
    assert issubclass(module.Config, SinkConfig)
    assert callable(module.send)
    assert callable(module.render)
    assert all(name.split()[0] == kind for name in module.EXAMPLES)
    assert "https://" in (module.__doc__ or ""), "the vendor's page"


@pytest.mark.parametrize("name", HTTP)
async def test_a_confirmation_is_a_receipt(name: str, peer: Peer) -> None:
    confirm(peer, name)
    receipt = await build("security", settings(name, peer.address)).send(ALERT, Context())
    assert all(isinstance(value, str) for value in receipt.details.values())
    assert CANARY not in repr(receipt)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_preview_needs_no_secret(name: str) -> None:
    given = settings(name)
    files = {f"{setting}_file" for setting in given} & type(described("a", given).config).model_fields.keys()
    kept = {setting: value for setting, value in given.items() if f"{setting}_file" not in files}
    sink = described("a", kept | dict.fromkeys(files, "/nonexistent/secret"))
    for alert in samples("acme", 1_767_225_600).values():
        assert sink.preview(alert)
    assert sink.preview_group(group("acme", 1_767_225_600))


FINAL: Mapping[str, frozenset[int]] = {
    "alertmanager": frozenset({400, 413, 422}),
    "pagerduty": frozenset({400, 413, 422}),
    "slack": frozenset({413}),
    "slack by webhook": frozenset({413}),
    "splunk_hec": frozenset({413}),
    "teams": frozenset({400, 413, 422}),
    "webhook": frozenset({413, 422}),
}
"""Statuses that are about the message: Slack and Splunk say so in words, and receivers of webhooks answer 400 to a
signature of a secret that was replaced, too."""


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("name", HTTP)
async def test_an_answer_that_refuses_the_message_is_final(name: str, status: int, peer: Peer) -> None:
    peer.status, peer.body = status, b'{"ok": false, "error": "invalid_auth"}'
    assert (await failure(settings(name, peer.address))).retryable is (status not in FINAL[name])


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 407, 410, 421, 451, 498])
@pytest.mark.parametrize("name", HTTP)
async def test_an_answer_that_an_operator_sets_right_is_retryable(name: str, status: int, peer: Peer) -> None:
    """A token that was replaced must not cost what was found until somebody stores the new one."""
    peer.status, peer.body = status, b"<html>no</html>"
    error = await failure(settings(name, peer.address))
    assert error.retryable
    assert error.hint or status not in (401, 403, 404, 405, 407, 410)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("name", HTTP)
async def test_an_answer_that_may_change_is_retryable(name: str, status: int, peer: Peer) -> None:
    peer.status, peer.body = status, b"<html>try again</html>"
    assert (await failure(settings(name, peer.address))).retryable


@pytest.mark.parametrize(
    ("sent", "understood"),
    [
        ("7", 7),
        ("0", 0),
        ("1.5", 1.5),
        ("100000", 100_000),
        ("1000000000", 72 * 3600),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("name", HTTP)
async def test_the_wish_of_a_rate_limit_is_handed_on(
    name: str, sent: str, understood: float | None, peer: Peer
) -> None:
    peer.status, peer.headers, peer.body = 429, {"Retry-After": sent}, b'{"ok": false, "error": "ratelimited"}'
    assert (await failure(settings(name, peer.address))).retry_after == understood


@pytest.mark.parametrize("name", HTTP)
async def test_a_date_as_the_wish_of_a_rate_limit_is_understood(name: str, peer: Peer) -> None:
    peer.status, peer.headers = 429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert (await failure(settings(name, peer.address))).retry_after == 0


@pytest.mark.parametrize(
    "sent",
    [
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "Mon, 01 Jan 2027 00:00:00 +99999999999999",
        f"Mon, 01 Jan 2027 {'9' * 24}:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "9" * 5000,
        "\xb2\xb3",
    ],
)
@pytest.mark.parametrize("name", HTTP)
async def test_a_wish_that_is_no_date_of_any_calendar_is_no_wish(name: str, sent: str, peer: Peer) -> None:
    peer.status, peer.headers = 429, {"Retry-After": sent}
    error = await failure(settings(name, peer.address))
    assert error.retryable
    assert "answered 429" in error.message
    assert error.retry_after in (None, RETRY_AFTER_MAX)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", HTTP)
async def test_a_redirect_is_not_followed_and_delivers_nothing(name: str, status: int, peer: Peer) -> None:
    confirm(peer, name)
    peer.status, peer.headers = status, {"Location": f"{peer.address}/login"}
    error = await failure(settings(name, peer.address))
    assert error.retryable, "a login page in between goes away again"
    assert "check the address" in error.hint
    assert len(peer.requests) == 1, "the credentials went one way only"


@pytest.mark.parametrize(
    "body", [b"", b"<html>log in</html>", b"[]", b'["ok"]', b'"ok"', b"null", b'{"ok": ', b"\xff\xfe"]
)
@pytest.mark.parametrize("name", STRICT)
async def test_a_200_of_somebody_else_delivers_nothing(name: str, body: bytes, peer: Peer) -> None:
    if (200, body) == (EXAMPLES[name].status, EXAMPLES[name].body):
        pytest.skip("with this the service confirms")
    peer.body = body
    assert (await failure(settings(name, peer.address))).retryable


@pytest.mark.parametrize("name", HTTP)
async def test_an_error_page_in_no_known_encoding_is_still_its_status(name: str, peer: Peer) -> None:
    peer.status, peer.body = 503, b"\xff\xfe\x00"
    peer.headers = {"Content-Type": "text/html; charset=klingon"}
    assert (await failure(settings(name, peer.address))).retryable


@pytest.mark.parametrize("name", HTTP)
async def test_no_answer_in_time_is_retryable(name: str, peer: Peer) -> None:
    confirm(peer, name)
    peer.delay = 1.3
    error = await failure(settings(name, peer.address))
    assert error.retryable
    assert "no answer in time" in error.message


@pytest.mark.parametrize("name", HTTP)
async def test_an_answer_that_is_cut_is_retryable(name: str, peer: Peer) -> None:
    confirm(peer, name)
    peer.body = peer.body or b"{}"
    peer.body, peer.length = peer.body[:-1], len(peer.body)
    assert (await failure(settings(name, peer.address))).retryable


@dataclass(frozen=True)
class Trouble:
    """What a peer does with the connection instead of answering."""

    sends: bytes = b""
    again: bytes = b""
    """Sent after that, for ever, every `pause` seconds."""
    pause: float = 0.02
    reset: bool = False


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
TROUBLES = {
    "closed before the headers": Trouble(),
    "reset before the headers": Trouble(reset=True),
    "closed in the headers": Trouble(HEAD),
    "closed before the body": Trouble(HEAD + b"Content-Length: 40\r\n\r\n"),
    "reset in the body": Trouble(HEAD + b'Content-Length: 40\r\n\r\n{"ok": true', reset=True),
    "a chunk that never ends": Trouble(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nok"),
    "no HTTP at all": Trouble(b"220 mail.example.com ESMTP\r\n"),
    "headers without end": Trouble(HEAD, b"X-More: more\r\n", pause=0),
    "headers, a byte at a time": Trouble(HEAD, b"X"),
    "a body, a byte at a time": Trouble(HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
    "two lengths": Trouble(HEAD + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\nok"),
}


@contextmanager
def troubling(trouble: Trouble) -> Iterator[str]:
    """The address of a peer that reads one request and then does as told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(trouble.sends)
            while trouble.again:
                connection.sendall(trouble.again)
                time.sleep(trouble.pause)
            if trouble.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("case", TROUBLES)
async def test_a_connection_that_fails_is_retryable_and_takes_no_longer_than_it_may(case: str) -> None:
    async def fails(name: str) -> None:
        with troubling(TROUBLES[case]) as address:
            started = time.monotonic()
            error = await failure(settings(name, address))
        assert error.retryable, name
        assert time.monotonic() - started < 8, f"{name}: one second, and what a busy machine adds"
        assert "ESMTP" not in error.message, name

    await asyncio.gather(*map(fails, HTTP))


@pytest.mark.parametrize("name", HTTP)
async def test_an_answer_without_end_is_read_no_further_than_64_kilobytes(name: str) -> None:
    sent = 0
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        nonlocal sent
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(HEAD + b"Content-Length: 10000000000\r\n\r\n")
            while True:
                sent += connection.send(b" " * 65536)

    threading.Thread(target=serve, daemon=True).start()
    with listener, contextlib.suppress(DeliveryError):
        await build("security", settings(name, f"http://127.0.0.1:{listener.getsockname()[1]}")).send(ALERT, Context())
    assert sent < 16_000_000, "what the buffers of the system hold, and not ten gigabytes"


HUGE = "<script>\u202e<!channel>\r\n\x00\ud800 " * 60_000
FLOOD = replace(
    ALERT,
    title=HUGE,
    text=HUGE,
    resource_kind="project_api_key",
    resource_id=HUGE,
    resource_name=HUGE,
    remediation=HUGE,
    facts=((HUGE, HUGE),) * 50,
    lines=(Line(Level.HIGH, "some-policy", HUGE, HUGE),) * 10_000,
    counts={"high": 10_000},
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_flood_of_hostile_text_becomes_a_message_of_bounded_size(name: str, tmp_path: Path) -> None:
    sink = build("security", settings(name, folder=str(tmp_path)))
    started = time.process_time()
    text = sink.preview(FLOOD)
    assert time.process_time() - started < 3
    assert 0 < len(text.encode()) < 1_000_000
    assert not re.findall("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    assert CANARY not in text


@pytest.mark.parametrize("name", HTTP)
async def test_a_private_address_is_refused_unless_it_is_allowed(name: str, peer: Peer) -> None:
    raw = {key: value for key, value in settings(name, peer.address).items() if key != "allow_private"}
    error: ConfigError | DeliveryError
    try:
        error = await failure(raw)
    except ConfigError as refused:
        error = refused
    assert re.search("private|plain http is accepted", error.message)
    assert peer.requests == []


@pytest.mark.parametrize("name", REMOTE)
async def test_nobody_there_is_retryable(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert (await failure(settings(name, f"http://127.0.0.1:{port}"))).retryable


@pytest.mark.parametrize("name", HTTP)
async def test_a_proxy_of_the_environment_is_not_used_for_loopback(
    name: str, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(variable, "http://192.0.2.1:3128")
    confirm(peer, name)
    await build("security", settings(name, peer.address)).send(ALERT, Context())
    assert len(peer.requests) == 1


@pytest.mark.parametrize("status", [302, 400, 404, 429, 503])
@pytest.mark.parametrize("name", HTTP)
async def test_no_secret_is_in_errors_logs_or_representations(
    name: str, status: int, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    raw = settings(name, peer.address)
    peer.status = status
    peer.body = f"your token was {TOKEN} and your path /services/T0/B0/{CANARY}".encode()
    error = await failure(raw)
    sink = build("security", raw)
    chain = "".join(f"{link!r} {link}" for link in causes(error))
    assert CANARY not in chain + error.hint + repr(sink) + str(sink.config) + caplog.text


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("name", REMOTE)
def test_no_secret_is_in_an_error_of_the_configuration(name: str) -> None:
    raw = settings(name)
    with pytest.raises(ConfigError) as caught:
        build("security", {**raw, "tokn": TOKEN, "timeout": TOKEN})
    assert "unknown key `sinks.security.tokn`" in caught.value.message
    assert "sinks.security.timeout" in caught.value.message
    assert CANARY not in caught.value.message


@pytest.mark.parametrize("kind", kinds())
def test_every_secret_may_come_from_a_file(kind: str) -> None:
    model = importlib.import_module(f"auditor.alerts.sinks.{kind}").Config
    secrets = {name for name, info in model.model_fields.items() if "SecretStr" in str(info.annotation)}
    assert all(f"{name}_file" in model.model_fields for name in secrets)


async def test_a_rotated_secret_file_needs_no_restart(peer: Peer, tmp_path: Path) -> None:
    file = tmp_path / "webhook"
    file.write_text(f"{peer.address}/services/T0/B0/before\n")
    sink = build("security", {"type": "slack", "webhook_url_file": str(file), "allow_private": True})
    peer.body = b"ok"
    await sink.send(ALERT, Context())
    file.write_text(f"{peer.address}/services/T0/B0/after\n")
    await sink.send(ALERT, Context())
    assert peer.requests == ["POST /services/T0/B0/before", "POST /services/T0/B0/after"]
    file.unlink()
    with pytest.raises(DeliveryError, match="cannot read the secret file") as caught:
        await sink.send(ALERT, Context())
    assert caught.value.retryable


BAD_SETTINGS: dict[str, tuple[Settings, str]] = {
    "no type": ({"channel": "#security"}, "`sinks.security.type` is missing"),
    "an unknown type": ({"type": "slak"}, "`sinks.security.type`: no such sink: 'slak'"),
    "a misspelt setting": ({"type": "slack", "token": "x", "chanel": "#a"}, "did you mean `channel`?"),
    "no way in": ({"type": "slack", "channel": "#a"}, "set exactly one of token"),
    "two ways in": ({"type": "slack", "token": "x", "webhook_url": "https://hooks.example.com/x"}, "set exactly one"),
    "no channel": ({"type": "slack", "token": "x"}, "a bot token needs the channel"),
    "plain http": (
        {"type": "slack", "token": "x", "channel": "#a", "base_url": "http://slack.example.com/api/"},
        "`sinks.security.base_url`: must be an https:// address",
    ),
    "an address with a password": (
        {"type": "slack", "token": "x", "channel": "#a", "base_url": "https://u:canary@slack.example.com/api/"},
        "`sinks.security.base_url`: must hold no user name",
    ),
    "a plain http webhook": ({"type": "slack", "webhook_url": "http://hooks.example.com/x"}, "webhook_url must be"),
    "a file that is not there": (
        {"type": "slack", "channel": "#a", "token_file": "/nonexistent/token"},
        "`sinks.security.token_file`: cannot read the secret file",
    ),
    "a setting for the console": ({"type": "console", "colour": "red"}, "unknown key `sinks.security.colour`"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_bad_settings_are_one_clear_message(case: str) -> None:
    raw, message = BAD_SETTINGS[case]
    with pytest.raises(ConfigError) as caught:
        build("security", raw)
    assert message in f"{caught.value.message} ({caught.value.hint})"
    assert "pydantic" not in caught.value.message


@pytest.mark.parametrize("token", ["xoxb-a\r\nX-Evil: 1", "xoxb-\u00e4", ""])
async def test_a_token_that_cannot_be_one_is_an_error_without_the_token(token: str, peer: Peer) -> None:
    error = await failure({**settings("slack", peer.address), "token": token})
    assert error.message == "the bot token is empty or holds characters that none has"
    assert peer.requests == []


@pytest.mark.parametrize("body", [b'{"ok": true}', b'{"ok": true, "user": []}', b'{"ok": true, "user": {"id": 7}}'])
async def test_an_answer_of_slack_without_what_was_asked_for_is_no_bug(body: bytes, peer: Peer) -> None:
    peer.body = body
    owned = replace(ALERT, owner="ada@example.com")
    with pytest.raises(DeliveryError, match=r"Slack's answer has no user\.id") as caught:
        await build("security", {**settings("slack", peer.address), "channel": "@owner"}).send(owned, Context())
    assert caught.value.retryable


def test_an_unknown_type_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        build("security", {"type": "slak"})
    assert caught.value.hint == "did you mean `slack`?"


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ("invalid_blocks", False),
        ("metadata_too_large", False),
        ("msg_blocks_too_long", False),
        ("msg_too_long", False),
        ("no_text", False),
        ("too_many_attachments", False),
        ("accesslimited", True),
        ("connection_limit_reached", True),
        ("external_channel_migrating", True),
        ("a_word_of_next_year", True),
        ("enterprise_is_restricted", True),
        ("no_permission", True),
        ("org_login_required", True),
        ("team_added_to_org", True),
        ("ratelimited", True),
        ("internal_error", True),
        ("fatal_error", True),
        ("service_unavailable", True),
    ],
)
async def test_slack_refusals_in_a_200_are_told_apart(error: str, retryable: bool, peer: Peer) -> None:
    peer.body = f'{{"ok": false, "error": "{error}"}}'.encode()
    refusal = await failure(settings("slack", peer.address))
    assert refusal.retryable is retryable
    assert error in refusal.message


@pytest.mark.parametrize(
    ("status", "word", "retryable"),
    [
        (400, "invalid_payload", False),
        (400, "no_text", False),
        (400, "too_many_attachments", False),
        (400, "user_not_found", True),
        (403, "action_prohibited", True),
        (403, "invalid_token", True),
        (404, "channel_not_found", True),
        (404, "no_service", True),
        (410, "channel_is_archived", True),
        (500, "rollup_error", True),
    ],
)
async def test_refusals_of_a_webhook_of_slack_are_told_apart(
    status: int, word: str, retryable: bool, peer: Peer
) -> None:
    peer.status, peer.body = status, word.encode()
    refusal = await failure(settings("slack by webhook", peer.address))
    assert (refusal.retryable, refusal.message) == (retryable, f"Slack answered {status}: {word}")


async def test_a_rate_limit_that_slack_tells_in_a_200_has_its_wish_too(peer: Peer) -> None:
    peer.headers, peer.body = {"Retry-After": "77"}, b'{"ok": false, "error": "ratelimited"}'
    refusal = await failure(settings("slack", peer.address))
    assert (refusal.retryable, refusal.retry_after) == (True, 77)


@pytest.mark.parametrize(
    "body",
    [
        b'{"ok": "false"}',
        b'{"ok": "true", "channel": "C1", "ts": "1.0"}',
        b'{"ok": 1, "channel": "C1", "ts": "1.0"}',
        b'{"ok": true}',
        b'{"ok": true, "channel": "C1", "ts": null}',
        b'{"ok": true, "channel": {"id": "C1"}, "ts": "1.0"}',
        b'{"ok": true, "channel": "C1", "ts": 1.0}',
        b'{"ok": true, "channel": "", "ts": "1.0"}',
        b'{"ok": true, "channel": "C1", "ts": "1.0", "big": 1' + b"0" * 6000 + b"}",
    ],
)
async def test_slack_confirms_with_true_and_with_where_the_message_is(body: bytes, peer: Peer) -> None:
    peer.body = body
    assert (await failure(settings("slack", peer.address))).retryable


@pytest.mark.parametrize(
    "error",
    [
        "access_denied",
        "account_inactive",
        "channel_not_found",
        "ekm_access_denied",
        "invalid_auth",
        "is_archived",
        "missing_scope",
        "not_authed",
        "not_in_channel",
        "restricted_action",
        "token_expired",
        "token_revoked",
    ],
)
async def test_what_an_operator_can_set_right_is_retryable_and_says_how(error: str, peer: Peer) -> None:
    peer.body = f'{{"ok": false, "error": "{error}"}}'.encode()
    refusal = await failure(settings("slack", peer.address))
    assert refusal.retryable
    assert refusal.hint
    assert error in refusal.message


async def test_the_console_that_nobody_reads_is_a_final_error(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stdout", closed)
    assert not (await failure({"type": "console"})).retryable
