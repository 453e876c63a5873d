"""What stands in the terminal."""

import io
import re

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
