"""From what stands in one cell to the value of its column. What a spreadsheet or a wrong encoding left is refused."""

import re
import unicodedata
from datetime import UTC, datetime

from auditor import clock
from auditor.registers.table import Column, Form

MAX_CELL = 1000
"""Characters of a cell."""

_FLAGS = dict.fromkeys(("yes", "true", "1"), True) | dict.fromkeys(("no", "false", "0"), False)
_SPREADSHEET_ERROR = re.compile(r"#(REF!|N/A|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|SPILL!)", re.IGNORECASE)
_ADDRESS = re.compile(r"[^@\s]{1,100}@[^@\s]{1,200}")


class Wrong(ValueError):
    """A cell that cannot be used; the message is for people, `hint` the next step."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def value_of(column: Column, cell: object) -> object:
    """The value of a cell, None for an empty one. Raises Wrong."""
    if isinstance(cell, list):
        if column.form is not Form.WORDS:
            raise Wrong(f"holds a list, and should hold one {column.form}")
        return tuple(_word(each) for each in cell if each is not None) or None
    text = _word(cell)
    if not text:
        return None
    return _read(column, text)


def _word(cell: object) -> str:
    """The text of a cell without blanks around it."""
    if isinstance(cell, dict | list):
        raise Wrong("holds more than one plain value")
    text = "" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell)
    text = text.strip()
    if len(text) > MAX_CELL:
        raise Wrong(f"is longer than {MAX_CELL} characters")
    _refuse_junk(text)
    return text


def _refuse_junk(text: str) -> None:
    for character in text:
        if character == "\N{REPLACEMENT CHARACTER}":
            raise Wrong("was saved in another encoding", "save the file as UTF-8")
        # An address with an invisible character in it looks right and is never found.
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            raise Wrong(f"holds the invisible character U+{ord(character):04X}", "type the value anew")
    if text.startswith(("=", "@")):
        raise Wrong("begins like a formula", "write the value that the formula gives")
    if _SPREADSHEET_ERROR.fullmatch(text):
        raise Wrong(f"holds the error {text} of a spreadsheet", "mend the formula, or leave the cell empty")


def _read(column: Column, text: str) -> object:
    if column.form is Form.TIME:
        return _time(text)
    if column.form is Form.FLAG:
        if text.lower() not in _FLAGS:
            raise Wrong(f"is neither yes nor no: {text[:40]}")
        return _FLAGS[text.lower()]
    if column.form is Form.WORDS:
        return tuple(word for each in text.split(";") if (word := _word(each))) or None
    if column.form is Form.ADDRESS:
        return _address(text)
    return _one_of(column.words, text) if column.words else text


def _one_of(words: tuple[str, ...], text: str) -> str:
    if text.lower() not in words:
        raise Wrong(f"is none of the words for it: {text[:40]}", f"one of {', '.join(words)}")
    return text.lower()


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise Wrong(f"is no mail address: {text[:40]}")
    return text.casefold()


def _time(text: str) -> int:
    """Unix seconds; a date alone is its first second, a time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        seconds = clock.epoch(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        seconds = -1
    if not clock.is_time(seconds):
        raise Wrong(f"is no date or time: {text[:40]}", "for example 2026-01-31 or 2026-01-31T18:00:00Z")
    return seconds
