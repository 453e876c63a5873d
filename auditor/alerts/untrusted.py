"""Text chosen by members of the organization, made harmless to look at: no control, no hidden direction, no flood."""

import re
import unicodedata

from auditor.redaction import redact

TEXT_MAX = 4000
"""Characters kept of any one text: more than any sink shows, less than floods the outbox."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a person does not see, or that change how the rest is seen (escape codes, RTL overrides)."""

_BLANKS = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n\s*\n\s*(?:\n\s*)+")


def one_line(text: str, limit: int) -> str:
    """`text` as one line of at most `limit` characters, hidden characters written out."""
    return cut(_BLANKS.sub(" ", _shown(text[: limit * 2 + 1].replace("\n", " "))).strip(), limit, len(text))


def paragraph(text: str, limit: int) -> str:
    """Like `one_line`, but the lines stay, with at most one empty line between two."""
    shown = "\n".join(_BLANKS.sub(" ", _shown(line)).rstrip() for line in text[: limit * 2 + 1].split("\n"))
    return cut(_BLANK_LINES.sub("\n\n", shown).strip(), limit, len(text))


def cut(text: str, limit: int, length: int = 0) -> str:
    """The first `limit` characters, the last one an ellipsis when more were there (`length` of the original)."""
    if len(text) <= limit and length <= limit * 2:
        return text
    return text[: limit - 1].rstrip() + "…"


def beside(name: str, id_: str) -> str:
    """The id that has to stand beside the name; empty where it is the name, or stands for a whole collection."""
    return "" if id_ in ("*", name) else id_


def ended(id_: str, limit: int) -> str:
    """An id as one line of at most `limit` characters: of one that is too long the end, which tells it from others."""
    # Hidden characters are written out before the end is taken.
    shown = one_line(id_, TEXT_MAX * 8)
    return shown if len(shown) <= limit else "…" + shown[1 - limit :]


def named(name: str, id_: str, limit: int) -> str:
    """`ci-bot (key_1)` in at most `limit` characters: members choose names, and only ids tell two of one name apart.

    Nothing is said twice, see `beside`. The name is cut before the id is.
    """
    if not beside(name, id_):
        return ended(name, limit) if name == id_ else one_line(name, limit)
    shown = ended(id_, limit * 3 // 4)
    first = one_line(name, limit - len(shown) - 3)
    return f"{first} ({shown})" if first else shown


def _shown(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _picture(letter) for letter in text)


def _picture(letter: str) -> str:
    if unicodedata.category(letter) not in _HIDDEN:
        return letter  # a blank of another width
    code = ord(letter)
    if letter == "\t":
        return " "
    if code < 0x20:
        return chr(0x2400 + code)  # the block of control pictures: ESC is shown as one sign
    return f"[U+{code:04X}]"


def bounded(text: str) -> str:
    """No secret that somebody used as a name, no lone surrogate, no flood; the rest is the business of the sinks."""
    return redact(text[:TEXT_MAX].encode("utf-8", "replace").decode())
