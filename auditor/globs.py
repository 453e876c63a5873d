"""Patterns of names: `*` stands for any text, `?` for any character, everything else for itself. Pure."""

import re
from fnmatch import fnmatchcase
from functools import lru_cache

_BRACKET = re.compile(r"\[[*?[]\]|\[")


def fits(value: str, pattern: str) -> bool:
    """Whether the pattern stands for the value; `[*]`, `[?]` and `[[]`, as `glob.escape` writes them, for one sign."""
    return fnmatchcase(value, _bracketed(pattern))


def fits_address(value: str, pattern: str) -> bool:
    """The same for e-mail addresses, in which case says nothing."""
    return fits(value.lower(), pattern.lower())


def is_pattern(text: str) -> bool:
    """Whether it may stand for more than itself."""
    return not set("*?").isdisjoint(text)


@lru_cache(maxsize=4096)
def _bracketed(pattern: str) -> str:
    """The pattern as fnmatch reads it, where a bracket would else begin a set of characters."""
    return _BRACKET.sub(lambda found: found[0] if len(found[0]) > 1 else "[[]", pattern)
