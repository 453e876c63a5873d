"""How values are written for people: untrusted text made visible, times, counts, names of kinds."""

import unicodedata
from datetime import datetime

from auditor.clock import from_epoch

LIMIT = 160
"""Characters of an untrusted text that are shown; the rest is counted."""

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that draw nothing."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that are not drawn, or that turn the direction of what follows."""

_MARKS = 2
"""Combining marks that one letter may carry before the rest is spelt out."""

_WORDS = {"api": "API", "ip": "IP", "scim": "SCIM", "id": "ID"}

_FRAMEWORKS = {
    "soc2": "SOC 2 Trust Services Criteria",
    "iso27001": "ISO/IEC 27001:2022 Annex A",
    "nist-800-53": "NIST SP 800-53 Rev. 5",
    "nist-csf": "NIST Cybersecurity Framework 2.0",
    "cis": "CIS Controls v8",
    "owasp-llm": "OWASP Top 10 for LLM Applications",
    "mitre-attack": "MITRE ATT&CK",
}


def visible(value: object, limit: int = LIMIT) -> str:
    """Untrusted text as one line in which nothing is hidden: control, bidi and blank characters become `[U+202E]`.

    Longer text than `limit` is cut, and what was cut is counted. The result is plain text: the template escapes it.
    """
    text = str(value)
    shown, marks = [], 0
    for char in text[:limit]:
        marks = marks + 1 if unicodedata.combining(char) else 0
        shown.append(f"[U+{ord(char):04X}]" if _hides(char, marks) else char)
    rest = len(text) - limit
    return "".join(shown) + (f"… (+{rest:,} characters)" if rest > 0 else "")


def _hides(char: str, marks: int) -> bool:
    return unicodedata.category(char) in _HIDDEN or char in _BLANK or marks > _MARKS


def short(value: str) -> str:
    """A digest by its first twelve hex digits; anything else as `visible` shows it."""
    return f"{value[:12]}…" if len(value) == 64 and value.isalnum() else visible(value, 60)


def day(seconds: float) -> str:
    """`24 Nov 2025`, in UTC."""
    return f"{from_epoch(seconds):%-d %b %Y}"


def moment(seconds: float) -> str:
    """`24 Nov 2025, 08:00 UTC`."""
    return f"{from_epoch(seconds):%-d %b %Y, %H:%M} UTC"


def iso(seconds: float) -> str:
    """`2025-11-24T08:00:00Z`, for machines."""
    return f"{from_epoch(seconds):%Y-%m-%dT%H:%M:%SZ}"


def weekday(date: str) -> str:
    """`Mon 24` of `2025-11-24`."""
    return f"{datetime.fromisoformat(date):%a %-d}"


def ago(seconds: float, now: float) -> str:
    """`3 days ago`, `in 5 hours` or `just now`: the largest whole unit."""
    distance = abs(now - seconds)
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if distance >= size:
            words = counted(int(distance // size), unit)
            return f"in {words}" if seconds > now else f"{words} ago"
    return "just now"


def number(value: float) -> str:
    """`1,204`."""
    return f"{value:,}"


def signed(value: int) -> str:
    """`+4`, `±0`, or minus six with a true minus sign."""
    if value == 0:
        return "±0"
    return f"+{value:,}" if value > 0 else f"\u2212{-value:,}"


def counted(value: int, one: str, many: str = "") -> str:
    """`1 finding`, `1,204 findings`; `many` for plurals that do not end in s."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def kind(name: str) -> str:
    """`project_api_key` as `Project API key`."""
    words = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def framework(name: str) -> str:
    """The full name of a control framework, or the name itself."""
    return _FRAMEWORKS.get(name, name)
