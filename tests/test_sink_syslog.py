"""What a syslog server reads: over UDP, TCP and TLS, by the grammar of RFC 5424 and of CEF, and by rsyslog itself."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from alerts import ALERT, HOSTILE, hidden, hostile

from auditor import __version__
from auditor.alerts.compose import event
from auditor.alerts.eventtext import event_text
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.errors import ConfigError, DeliveryError
from auditor.inventory.events import record_of
from auditor.terms import Level

Settings = dict[str, Any]

# The grammar of RFC 5424, section 6.
HEADER = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) "
    r"(?P<process>[!-~]{1,128}) (?P<kind>[!-~]{1,32}) (?P<rest>.*)",
    re.DOTALL,
)
ELEMENT = re.compile(
    r'\[(?P<id>[^ ="\]]{1,32})(?P<params>(?: [^ ="\]]{1,32}="(?:\\["\\\]]|[^"\\\]])*")*)\] ?(?P<text>.*)', re.DOTALL
)
PARAM = re.compile(r' ([^ ="\]]{1,32})="((?:\\["\\\]]|[^"\\\]])*)"')


@dataclass(frozen=True)
class Read:
    """A message as its grammar says."""

    priority: int
    time: str
    kind: str
    data: dict[str, str]
    text: str


def read(message: bytes) -> Read:
    """Raises AssertionError when it is no message."""
    head = HEADER.fullmatch(message.decode("utf-8"))
    assert head, message
    data: dict[str, str] = {}
    text = head["rest"].removeprefix("- ")
    if head["rest"].startswith("["):
        element = ELEMENT.fullmatch(head["rest"])
        assert element, message
        data = {name: re.sub(r'\\(["\\\]])', r"\1", value) for name, value in PARAM.findall(element["params"])}
        text = element["text"]
    return Read(int(head["priority"]), head["time"], head["kind"], data, text)


def read_cef(text: str) -> tuple[list[str], dict[str, str]]:
    """The seven fields of the header, and the extension."""
    *fields, extension = re.split(r"(?<!\\)(?:\\\\)*\|", text, maxsplit=7)
    assert fields[0] == "CEF:0"
    keys = list(re.finditer(r"(?:^| )(\w+)=", extension))
    ends = [*(each.start() for each in keys[1:]), len(extension)]
    values = {each[1]: extension[each.end() : end] for each, end in zip(keys, ends, strict=True)}
    assert not [value for value in values.values() if re.search(r"(?<!\\)(?:\\\\)*=", value)]
    return [re.sub(r"\\([\\|])", r"\1", each) for each in fields[1:]], {
        name: re.sub(r"\\([\\=])", r"\1", value) for name, value in values.items()
    }


def unframed(data: bytes) -> list[bytes]:
    """The messages of a stream with octet counting (RFC 6587)."""
    messages = []
    while data:
        length, _, rest = data.partition(b" ")
        assert int(length) <= len(rest)
        messages.append(rest[: int(length)])
        data = rest[int(length) :]
    return messages


@dataclass
class Heard:
    """A server, and what it was sent."""

    port: int
    data: list[bytes]


@contextmanager
def listening(
    context: ssl.SSLContext | None = None, ending: Callable[[socket.socket], None] | None = None
) -> Iterator[Heard]:
    """A TCP server that reads to the end and closes; `ending` is what it does instead."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = Heard(listener.getsockname()[1], [])

    def serve() -> None:
        while listener.fileno() >= 0:
            with contextlib.suppress(OSError):
                accepted = listener.accept()[0]
                connection = context.wrap_socket(accepted, server_side=True) if context else accepted
                with connection:
                    if ending:
                        ending(connection)
                    else:
                        data = b""
                        while part := connection.recv(65536):
                            data += part
                        heard.data.append(data)

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield heard


def settings(port: int, **more: object) -> Settings:
    place: Settings = {"type": "syslog", "host": "127.0.0.1", "port": port, "transport": "tcp"}
    return {**place, "allow_private": True, "timeout": 2, **more}


async def send(raw: Settings, alert: Alert = ALERT) -> None:
    await build("siem", raw).send(alert, Context())


async def refusal(raw: Settings) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await send(raw)
    return caught.value


def shown(alert: Alert = ALERT, **more: object) -> bytes:
    return build("siem", settings(1, **more)).preview(alert).encode()


async def test_a_message_has_its_fields_and_a_text() -> None:
    with listening() as heard:
        await send(settings(heard.port))
        await send(settings(heard.port), replace(ALERT, kind=AlertKind.RESOLVED))
    (opened,), (resolved,) = (unframed(data) for data in heard.data)
    assert read(opened) == Read(
        priority=13 * 8 + 3,
        time="2026-01-01T00:00:00Z",
        kind="opened",
        data={
            "id": ALERT.id,
            "organization": "acme",
            "level": "high",
            "policy": "project-key-stale",
            "finding": "00ff",
            "resourceKind": "project_api_key",
            "resourceId": "key_1",
            "resourceName": "ci-bot",
            "fact1": "Who: ada@example.com",
            "fact2": "From: 192.0.2.7",
        },
        text=("\ufeffHigh: Project API key unused for 90 days - ci-bot of Ada in payments: last used 91 days ago"),
    )
    assert (read(resolved).priority, read(resolved).kind) == (13 * 8 + 6, "resolved")


@pytest.mark.parametrize("level", Level)
def test_facility_and_level_make_the_priority(level: Level) -> None:
    severity = {"critical": 2, "high": 3, "medium": 4, "low": 5, "informational": 6}[level]
    assert read(shown(replace(ALERT, level=level), facility=20)).priority == 160 + severity


def test_cef_has_its_seven_fields_and_an_extension() -> None:
    fields, extension = read_cef(read(shown(format="cef")).text)
    assert fields == [
        "auditor",
        "openai-org-auditor",
        __version__,
        "project-key-stale",
        "Project API key unused for 90 days",
        "8",
    ]
    assert extension == {
        "rt": "1767225600000",
        "externalId": ALERT.id,
        "cat": "opened",
        "suser": "ada@example.com",
        "src": "192.0.2.7",
        "cs1Label": "organization",
        "cs1": "acme",
        "cs2Label": "finding",
        "cs2": "00ff",
        "cs3Label": "resourceKind",
        "cs3": "project_api_key",
        "cs4Label": "resourceId",
        "cs4": "key_1",
        "cs5Label": "resourceName",
        "cs5": "ci-bot",
        "msg": "High: Project API key unused for 90 days - ci-bot of Ada in payments: last used 91 days ago",
    }


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("form", ["rfc5424", "cef"])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_is_one_message_of_bounded_size(case: str, form: str, transport: str) -> None:
    message = shown(hostile(case), format=form, transport=transport)
    told = read(message)
    assert len(message) <= (2048 if transport == "udp" else 8192)
    assert b"\n" not in message
    assert not hidden(told.text.removeprefix("\ufeff") + "".join(told.data.values()))
    if form == "cef":
        fields, extension = read_cef(told.text)
        assert len(fields) == 6
        # What a name looks like adds no field: one more key would be one more `x=` that nobody escaped.
        assert extension.keys() <= {"rt", "externalId", "cat", "suser", "src", "msg"} | {
            f"cs{number}{label}" for number in range(1, 6) for label in ("", "Label")
        }


ACTOR = {
    "type": "session",
    "session": {
        "user": {"id": "user-1", "email": "ada@example.com"},
        "ip_address": "192.0.2.7",
        "user_agent": "Mozilla/5.0 (X11; a=b)",
    },
}


def audit_event(payload: object, **more: object) -> dict[str, Any]:
    known = {"id": "audit_log-1", "type": "api_key.updated", "effective_at": 1_767_225_600, "actor": ACTOR}
    return {**known, "api_key.updated": payload, **more}


def of_event(told: dict[str, Any]) -> Alert:
    return event("acme", record_of(told), json.dumps(told).encode(), 1_767_225_600)


SCOPES = audit_event({"id": "key_1", "changes_requested": {"scopes": [f"scope.{n}.read" for n in range(600)]}})
LARGE: dict[str, Any] = {
    "a long list": SCOPES,
    "a long text": audit_event({"id": "key_1", "name": "x" * 100_000}),
    "a long text of another script": audit_event({"id": "key_1", "name": "\u540d\U0001f600" * 50_000}),
    "many names": audit_event({f"name {number}": number for number in range(5000)}),
    "many names beside the payload": audit_event({}, **{f"name {number}": number for number in range(5000)}),
    "a long name": audit_event({"n" * 50_000: 1}),
    "much inside much": audit_event([[[["x" * 50] * 12] * 12] * 12] * 12),
    "a deep nest": audit_event(json.loads("[" * 400 + "]" * 400), name="x" * 3000),
    "what has to be escaped": audit_event({"name": 'a=b|c\\d"e\n\x7f' * 5000}),
}


@pytest.mark.parametrize("form", ["rfc5424", "cef"])
@pytest.mark.parametrize("case", LARGE)
async def test_an_event_of_any_size_arrives_whole(case: str, form: str) -> None:
    with listening() as heard:
        await send(settings(heard.port, format=form), of_event(LARGE[case]))
    (message,) = unframed(heard.data[0])
    text = read(message).text
    assert json.loads(read_cef(text)[1]["cs1"] if form == "cef" else text) == LARGE[case]
    assert text.isprintable()


@pytest.mark.parametrize("form", ["rfc5424", "cef"])
@pytest.mark.parametrize("case", LARGE)
def test_an_event_that_does_not_fit_is_shortened_says_so_and_is_still_json(case: str, form: str) -> None:
    message = shown(of_event(LARGE[case]), transport="udp", format=form)
    assert len(message) <= 2048
    text = read(message).text
    told = json.loads(read_cef(text)[1]["cs1"] if form == "cef" else text)
    assert told["truncated"] is True
    whole = LARGE[case]
    assert {name: told[name] for name in ("id", "type", "effective_at", "actor")} == {
        name: whole[name] for name in ("id", "type", "effective_at", "actor")
    }


def test_what_an_event_is_known_by_is_bounded_too() -> None:
    told = {**audit_event({}), "actor": {"type": "\U0001f600" * 5000, "more": ["y" * 500] * 500}}
    for form in ("rfc5424", "cef"):
        message = shown(of_event(told), transport="udp", format=form)
        text = read(message).text
        found = json.loads(read_cef(text)[1]["cs1"] if form == "cef" else text)
        assert len(message) <= 2048
        assert (found["id"], found["type"], found["truncated"]) == ("audit_log-1", "api_key.updated", True)


@pytest.mark.parametrize("form", ["rfc5424", "cef"])
@pytest.mark.parametrize("letter", ["n", "\U0001f600", "\\", "="])
def test_ids_and_types_that_escape_to_many_bytes_exceed_nothing(letter: str, form: str) -> None:
    name = letter * 100
    told = {**audit_event({"id": name * 30}), "id": name, "type": name, "actor": {name: name}}
    who = (("Who", name), ("From", "2001:db8:1111:2222:3333:4444:5555:6666"))
    for text in (name, name[:30], name[:29]):
        filled = replace(of_event(told), organization=text, title=text, resource_id=text, facts=who)
        message = shown(filled, transport="udp", format=form)
        assert len(message) <= 2048
        seen = read(message).text
        found = json.loads(read_cef(seen)[1]["cs1"] if form == "cef" else seen)
        assert found["truncated"] is True
        assert name.startswith(found.get("type", "").removesuffix("\u2026"))


@pytest.mark.parametrize("room", range(19, 1300, 7))
def test_an_event_fits_whatever_room_there_is(room: int) -> None:
    raw = json.dumps({"id": "\U0001f600" * 100, "type": 10**400, "actor": {"\\" * 100: "\\" * 100}})
    assert json.loads(event_text(raw, lambda text: len(text) <= room))["truncated"] is True
    assert len(event_text(raw, lambda text: len(text) <= room)) <= room


def test_an_event_in_cef_has_the_names_of_its_dictionary() -> None:
    fields, extension = read_cef(read(shown(of_event(audit_event({"id": "key_1"})), format="cef")).text)
    assert fields[3:] == ["api_key.updated", "api_key.updated", "1"]
    assert json.loads(extension.pop("cs1")) == audit_event({"id": "key_1"})
    assert extension == {
        "rt": "1767225600000",
        "externalId": "audit_log-1",
        "cat": "event",
        "suser": "ada@example.com",
        "src": "192.0.2.7",
        "act": "api_key.updated",
        "suid": "user-1",
        "requestClientApplication": "Mozilla/5.0 (X11; a=b)",
        "cs1Label": "event",
        "cs2Label": "organization",
        "cs2": "acme",
        "msg": "Audit event: api_key.updated",
    }


async def test_a_datagram_is_as_large_as_it_may_be() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        place = settings(server.getsockname()[1], transport="udp", max_message=65_000)
        await send(place, of_event(SCOPES))
        assert json.loads(read(server.recv(65536)).text) == SCOPES
        await send(place, of_event(LARGE["a long text"]))
        message = server.recv(65536)
        assert json.loads(read(message).text)["truncated"]


def test_a_text_that_does_not_fit_ends_in_an_ellipsis() -> None:
    lines = tuple(Line(Level.HIGH, "p", f"key_{number}", "stale \u540d" * 20) for number in range(30))
    message = shown(replace(ALERT, kind=AlertKind.DIGEST, lines=lines), transport="udp")
    assert 2040 <= len(message) <= 2048
    assert read(message).text.endswith("…")


@pytest.mark.parametrize("form", ["rfc5424", "cef"])
@pytest.mark.parametrize("letter", ["n", "\u540d", "\U0001f600", "\\", "=", '"', "]", "|"])
def test_names_that_fill_a_message_leave_it_whole(letter: str, form: str) -> None:
    name = letter * 4000
    filled = replace(ALERT, organization=name, title=name, text=name, resource_id=name, resource_name=name)
    message = shown(replace(filled, facts=((name, name), ("Who", name))), transport="udp", format=form)
    assert len(message) <= 2048
    told = read(message)
    if form == "cef":
        assert read_cef(told.text)[1]["externalId"] == ALERT.id
        assert read_cef(told.text)[1]["cs2"] == "00ff"
    else:
        assert (told.data["id"], told.data["finding"]) == (ALERT.id, "00ff")
        assert told.text.startswith("\ufeffHigh: ")


@pytest.mark.parametrize(("transport", "bytes_"), [("udp", 65_001), ("udp", 2047), ("tcp", 2047), ("tls", 10_000_001)])
def test_a_bound_that_no_message_can_have_is_told(transport: str, bytes_: int) -> None:
    with pytest.raises(ConfigError, match="max_message"):
        build("siem", settings(1, transport=transport, max_message=bytes_))


async def test_a_datagram_is_a_message() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        await send(settings(server.getsockname()[1], transport="udp"))
        assert read(server.recv(65536)).data["finding"] == "00ff"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def close_with_goodbye(heard: list[bytes]) -> Callable[[socket.socket], None]:
    def act(connection: socket.socket) -> None:
        data = b""
        while part := connection.recv(65536):
            data += part
        heard.append(data)
        assert isinstance(connection, ssl.SSLSocket)
        connection.unwrap()

    return act


@pytest.mark.parametrize("polite", [True, False])
async def test_tls_is_confirmed_by_a_close_with_or_without_goodbye(
    polite: bool, server_context: ssl.SSLContext, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trusted = {"transport": "tls", "host": "localhost", "ca_file": str(tmp_path / "ca.pem")}
    kept: list[bytes] = []
    with listening(server_context, close_with_goodbye(kept) if polite else None) as heard:
        await send(settings(heard.port, **trusted))
        (message,) = unframed((kept or heard.data)[0])
    assert read(message).data["finding"] == "00ff"


async def test_a_certificate_that_nobody_vouches_for_gets_no_message(server_context: ssl.SSLContext) -> None:
    with listening(server_context) as heard:
        error = await refusal(settings(heard.port, transport="tls", host="localhost"))
        assert heard.data == []
    assert error.retryable
    assert "certificate" in error.message


def reset(connection: socket.socket) -> None:
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang(connection: socket.socket) -> None:
    connection.recv(65536)
    time.sleep(20)


def babble(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("ending", [reset, hang, babble])
async def test_a_server_that_does_not_read_to_the_end_confirms_nothing(
    ending: Callable[[socket.socket], None],
) -> None:
    started = time.monotonic()
    with listening(ending=ending) as heard:
        assert (await refusal(settings(heard.port, timeout=1))).retryable
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_nothing_goes_unencrypted_over_the_internet(transport: str) -> None:
    error = await refusal(settings(514, transport=transport, host="192.0.2.1", allow_private=["10.0.0.0/8"]))
    assert "without TLS" in error.message
    assert error.hint.startswith("set `transport: tls`; or name the network, if it is your own: `allow_private:")


@contextmanager
def rsyslog(folder: Path, module: str, port: int) -> Iterator[Path]:
    """A running rsyslogd that writes what it understood, and the file."""
    program = shutil.which("rsyslogd") or ("/usr/sbin/rsyslogd" if os.access("/usr/sbin/rsyslogd", os.X_OK) else None)
    if program is None:
        pytest.skip("rsyslogd is not installed")
    log = folder / "log"
    template = "%pri%|%timereported:::date-rfc3339%|%app-name%|%msgid%|%structured-data%|%msg%\\n"
    (folder / "conf").write_text(
        f'global(workDirectory="{folder}" maxMessageSize="16k")\nmodule(load="{module}")\n'
        f'input(type="{module}" port="{port}" address="127.0.0.1")\n'
        f'template(name="t" type="string" string="{template}")\naction(type="omfile" file="{log}" template="t")\n'
    )
    arguments = ["-n", "-f", f"{folder}/conf", "-i", f"{folder}/pid"]
    with subprocess.Popen([program, *arguments], stderr=subprocess.DEVNULL) as process:
        try:
            yield log
        finally:
            process.terminate()


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.mark.parametrize(("module", "transport"), [("imtcp", "tcp"), ("imudp", "udp")])
async def test_rsyslog_understands_every_message(module: str, transport: str, tmp_path: Path) -> None:
    port = free_port(socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM)
    raw = settings(port, transport=transport)
    with rsyslog(tmp_path, module, port) as log:
        until = time.monotonic() + 60
        while not log.exists():
            assert time.monotonic() < until
            with contextlib.suppress(DeliveryError):
                await send(raw)
            await asyncio.sleep(0.1)
        for case in HOSTILE:
            await send(raw, replace(hostile(case), policy=case.replace(" ", "-")))
        while log.read_text().count("\n") < len(HOSTILE) + 1:
            assert time.monotonic() < until, log.read_text()
            await asyncio.sleep(0.05)
        lines = log.read_text().splitlines()
    assert all(
        line.startswith("107|2026-01-01T00:00:00") and "|auditor|opened|[auditor@32473 " in line for line in lines
    )
    for case in HOSTILE:
        assert sum(f'policy="{case.replace(" ", "-")}"' in line for line in lines) == 1
