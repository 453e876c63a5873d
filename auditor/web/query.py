"""What may be asked of the page by query: closed sets and small numbers, anything else is refused."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from auditor.terms import Level, State

MAX_PAGE = 200
SIZE = 50
"""Rows of one page."""

_NAME = re.compile(r"[\w.:-]{1,100}", re.ASCII)
_KNOWN = frozenset({"organization", "level", "state", "policy", "page"})

Word = TypeVar("Word", Level, State)


class BadQuery(ValueError):
    """A query that the page does not understand; its text is ours and may be shown."""


@dataclass(frozen=True, slots=True)
class Query:
    """One request, checked."""

    organization: str
    only: bool = True
    """Whether the organization is the one that is shown when none is named."""
    level: Level | None = None
    state: State | None = None
    policy: str = ""
    page: int = 1

    @property
    def first(self) -> int:
        """Index of the first row of the page."""
        return (self.page - 1) * SIZE

    @property
    def enough(self) -> int:
        """Rows to read, from the beginning, to fill the page and to know whether another follows."""
        return self.page * SIZE + 1

    @property
    def scope(self) -> str:
        """What a link to another place must carry to stay with the organization."""
        return "" if self.only else "?" + urlencode({"organization": self.organization})

    def link(self, page: int) -> str:
        """The same query for another page: `?level=high&page=2`."""
        asked = {
            "organization": "" if self.only else self.organization,
            "level": self.level or "",
            "state": self.state or "",
            "policy": self.policy,
            "page": str(page),
        }
        return "?" + urlencode({name: value for name, value in asked.items() if value})


def parse(params: QueryParams, organizations: Collection[str]) -> Query:
    """The query of a request. `organizations` are those that exist, the first one is shown by default.

    Raises BadQuery for an unknown parameter, word, name or page.
    """
    if set(params) - _KNOWN:
        raise BadQuery("The query has a parameter that this page does not know.")
    default = next(iter(organizations), "")
    organization = params.get("organization") or default
    if organization not in organizations:
        raise BadQuery("There is no organization of this name.")
    return Query(
        organization=organization,
        only=organization == default,
        level=_word(Level, params.get("level")),
        state=_word(State, params.get("state")),
        policy=_name(params.get("policy")),
        page=_page(params.get("page")),
    )


def _word(words: type[Word], text: str | None) -> Word | None:
    if not text:
        return None
    try:
        return words(text)
    except ValueError:
        raise BadQuery(f"A {words.__name__.lower()} is one of {', '.join(words)}.") from None


def _name(text: str | None) -> str:
    if text and not _NAME.fullmatch(text):
        raise BadQuery("A name has letters, digits and . : _ - only.")
    return text or ""


def _page(text: str | None) -> int:
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_PAGE):
        raise BadQuery(f"A page is a number from 1 to {MAX_PAGE}.")
    return int(text)
