"""What a syslog server reads: over UDP, TCP and TLS, by the grammar of RFC 5424 and of CEF, and by rsyslog itself."""

import asyncio
import contextlib
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
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.errors import DeliveryError
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
