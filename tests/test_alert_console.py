"""What stands in the terminal."""

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.alerts.sinks.console import show
from auditor.terms import Level

ALERT = Alert(
    id="00ff.open.1",
    kind=AlertKind.OPENED,
    organization="acme",
    level=Level.CRITICAL,
    title="IP allowlist switched off",
    text="ada@example.com switched the allowlist off",
    at=1_767_225_600,
    policy="ip-allowlist-deactivated",
    finding="00ff",
    resource_kind="audit_event",
    resource_id="audit_log-1",
    remediation="Switch it on again.",
    facts=(("From", "192.0.2.7"),),
    lines=(Line(Level.LOW, "some-policy", "key_1", "stale"),),
    counts={"low": 1},
    link="http://127.0.0.1:9847/findings/00ff",
)
HOSTILE = "\x1b[2J\x1b]0;title\x07[red]markup[/red]\r\n\x9b31m\u202e:smile: " + "x" * 10_000


async def test_an_alert_is_one_plain_paragraph(capsys: pytest.CaptureFixture[str]) -> None:
    await build("terminal", {"type": "console"}).send(ALERT, Context())
    assert capsys.readouterr().out == (
        "🛑 Critical: IP allowlist switched off\n"
        "   ada@example.com switched the allowlist off\n"
        "   Audit event: audit_log-1\n"
        "   From: 192.0.2.7\n"
        "   1 low\n"
        "   🔹 low  key_1: stale [some-policy]\n"
        "   What to do: Switch it on again.\n"
        "   http://127.0.0.1:9847/findings/00ff\n"
        "   acme · ip-allowlist-deactivated · finding 00ff · 2026-01-01 00:00:00 UTC\n"
        "\n"
    )


WRITER = """
import asyncio, fcntl, os, resource, signal, sys
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.errors import DeliveryError
from alerts import ALERT
way, sink = sys.argv[1], build("terminal", {"type": "console"})
if way == "limit":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
if way == "closed":
    sys.stdout.close()
if way == "full pipe":
    os.set_blocking(1, False)
    fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 4096)
    os.write(1, b"x" * 4096)
for _ in range(3):
    try:
        asyncio.run(sink.send(ALERT, Context()))
    except DeliveryError as error:
        print(error.retryable, error.message, file=sys.stderr)
if way == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    asyncio.run(sink.send(ALERT, Context()))
"""


def written(way: str, out: int) -> list[str]:
    """What is said of three alerts that a process writes to `out`."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    arguments = [sys.executable, "-c", WRITER, way]
    done = subprocess.run(
        arguments, env=environment, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=True
    )
    return done.stderr.splitlines()


async def test_a_digest_is_listed_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    lines = tuple(Line(Level.LOW, "stale", f"key_{number}", "stale", finding="f1") for number in range(1001))
    await build("terminal", {"type": "console"}).send(replace(ALERT, kind=AlertKind.DIGEST, lines=lines), Context())
    out = capsys.readouterr().out
    assert out.count("key_") == 1000
    assert "... and 1 more finding (on the page and with `auditor findings list --policy stale`)" in out


def test_a_full_disk_passes() -> None:
    with Path("/dev/full").open("wb") as full:
        told = written("", full.fileno())
    assert told == ["True standard output cannot be written: no space left on device"] * 3


def test_what_a_full_disk_refused_is_written_once_when_there_is_space_again(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        assert written("limit", out.fileno()) == ["True standard output cannot be written: file too large"] * 3
    assert (tmp_path / "out").read_text().count("Project API key unused for 90 days") == 1


def test_a_pipe_that_is_full_passes() -> None:
    reader, writer = os.pipe()
    told = written("full pipe", writer)
    os.close(writer)
    os.close(reader)
    assert told == ["True standard output cannot be written: resource temporarily unavailable"] * 3


def test_a_pipe_whose_reader_is_gone_does_not_come_back() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    told = written("", writer)
    os.close(writer)
    assert told == ["False nobody reads standard output any more"] * 3


def test_an_output_that_was_closed_is_final() -> None:
    with Path("/dev/null").open("wb") as out:
        assert written("closed", out.fileno()) == ["False standard output is closed"] * 3


def rendered(alert: Alert, *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        force_terminal=terminal,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        color_system="standard" if terminal else None,
    )
    show(alert, console)
    return out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_no_name_can_write_to_the_terminal(terminal: bool) -> None:
    alert = Alert(
        id="1",
        kind=AlertKind.OPENED,
        organization=HOSTILE,
        level=Level.HIGH,
        title=HOSTILE,
        text=HOSTILE,
        at=1,
        policy="p",
        resource_kind="user",
        resource_id=HOSTILE,
        resource_name=HOSTILE,
        facts=((HOSTILE, HOSTILE),),
        lines=(Line(Level.LOW, "p", HOSTILE, HOSTILE),),
        link=HOSTILE,
    )
    out = rendered(alert, terminal=terminal)
    ours = re.sub(r"\x1b\[[\d;]*m", "", out, count=2 if terminal else 0)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", ours)
    assert "[red]markup[/red]" in ours
    assert ":smile:" in ours
    assert len(out.splitlines()) == len(rendered(ALERT, terminal=terminal).splitlines()) - 2
    assert len(out) < 10_000


def test_colour_is_for_terminals() -> None:
    assert "\x1b[" in rendered(ALERT, terminal=True)
    assert "\x1b" not in rendered(ALERT, terminal=False)
