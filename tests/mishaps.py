"""Every fault that the simulator can inject, with what may be expected of a reader that meets it."""

from dataclasses import dataclass
from typing import get_args

from auditor.adminapi.resourcetypes import Paging
from auditor.simulator.faults.rules import (
    Answer,
    Body,
    Delay,
    Drip,
    Fault,
    Item,
    Length,
    Match,
    Page,
    Reset,
    Rule,
    Skew,
    Stall,
    Status,
    Wreck,
)

LISTS = frozenset(Paging) - {Paging.SINGLE}
IDS = frozenset({Paging.LAST_ID, Paging.LAST_ITEM})
NOWHERE: frozenset[Paging] = frozenset()
MIDDLE = 2
"""Number of the page that is neither the first nor the last."""


@dataclass(frozen=True)
class Mishap:
    """One fault and its place."""

    do: Fault
    page: int | None = None
    """The page it strikes; None for all."""
    times: int | None = None
    where: frozenset[Paging] = frozenset(Paging)
    """Styles of lists it can strike."""
    unseen: frozenset[Paging] = NOWHERE
    """Styles in which nothing that the API sends gives it away: the documented exceptions."""
    why: str = ""
    """What makes it an exception."""
    events: bool = False
    """Whether it can befall audit events only."""

    def rule(self, kind: str) -> Rule:
        """The rule for the lists of `kind`."""
        return Rule(match=Match(kind=kind, page=self.page), do=self.do, times=self.times)


def _statuses() -> dict[str, Mishap]:
    plain = {str(status): Status(status=status) for status in (400, 401, 403, 408, 409, 410, 500, 503, 504, 529, 206)}
    special = {
        "429 in 0.01 s": Status(status=429, retry_after=0.01),
        "429 at a date": Status(status=429, retry_date=0),
        "429 at a date to come": Status(status=429, retry_date=4000),
        "429 and garbage": Status(status=429, retry_after="soon, \x20 perhaps"),
        "429 in 0 s": Status(status=429, retry_after=0),
        "429 in 1e9 s": Status(status=429, retry_after="1e9"),
        "429 in nan s": Status(status=429, retry_after="nan"),
        "429 without a word": Status(status=429),
        "502 in HTML": Status(status=502, body="html"),
        "200 with an error": Status(status=200),
        "200 with HTML": Status(status=200, body="html"),
        "200 with nothing": Status(status=200, body="empty"),
        "204": Status(status=204),
        "301": Status(status=301, location="/v1/organization/users"),
        "302 to another host": Status(status=302, location="http://192.0.2.1/"),
        "307 to the metadata": Status(status=307, location="http://169.254.169.254/latest"),
    }
    every = plain | special
    found = {f"{name} at once": Mishap(do) for name, do in every.items()}
    found |= {f"{name} on page 2": Mishap(do, MIDDLE, where=LISTS) for name, do in every.items()}
    found["404 at once"] = Mishap(
        Status(status=404), unseen=frozenset({Paging.SINGLE}), why="404 on a setting means that it is not set"
    )
    found["404 on page 2"] = Mishap(Status(status=404), MIDDLE, where=LISTS)
    found["503 once"] = Mishap(Status(status=503), times=1)
    return found


_CONNECTION: dict[str, Fault] = {
    "late": Delay(delay=0.02, growing=True),
    "never answers": Answer(answer="never"),
    "byte by byte": Drip(drip=0.002),
    "headers that stall": Stall(stall="headers"),
    "body that stalls": Stall(stall="body"),
    "reset before the request": Reset(reset="before_request"),
    "reset after the request": Reset(reset="after_request"),
    "reset in the headers": Reset(reset="mid_headers"),
    "reset in the body": Reset(reset="mid_body"),
    "connection ended after the answer": Reset(reset="after_answer"),
    "chunks that are none": Length(length="broken_chunk"),
    "length too short": Length(length="short"),
    "length too long": Length(length="long"),
    "clock an hour ahead": Skew(skew=3600),
    "clock ten days behind": Skew(skew=-864_000),
    "no date": Skew(skew="absent"),
    "date that is none": Skew(skew="malformed"),
}
_WRECKS = get_args(Wreck)
_PAGES = {
    "missing": Mishap(Page(page="missing"), MIDDLE, unseen=LISTS, why="a chain of cursors that skips a page is whole"),
    "repeated": Mishap(Page(page="repeated"), MIDDLE),
    "loop of 1": Mishap(Page(page="loop")),
    "loop of 2": Mishap(Page(page="loop", length=2)),
    "no cursor": Mishap(Page(page="no_cursor")),
    "no has_more": Mishap(Page(page="no_has_more")),
    "has_more null": Mishap(Page(page="null_has_more"), MIDDLE),
    "ends after a full page": Mishap(Page(page="ends_early"), MIDDLE),
    "ends after page 1": Mishap(Page(page="ends_early"), 1),
    "ends though a cursor is there": Mishap(Page(page="ends_with_cursor"), MIDDLE),
    "always promises more": Mishap(Page(page="promises_more")),
    "empty, more to come": Mishap(Page(page="empty"), MIDDLE),
    "empty, at an end": Mishap(
        Page(page="empty_end"), MIDDLE, unseen=IDS, why="the promise of a page that turns out empty is not unusual"
    ),
    "first item left out": Mishap(
        Page(page="without_first"), MIDDLE, unseen=frozenset({Paging.NEXT}), why="no ends are named"
    ),
    "last item left out": Mishap(
        Page(page="without_last"), MIDDLE, unseen=frozenset({Paging.NEXT}), why="no ends are named"
    ),
    "a row inserted further up": Mishap(Page(page="shifted_back"), MIDDLE),
    "a row deleted further up": Mishap(
        Page(page="shifted_forth"), MIDDLE, unseen=LISTS, why="what moved to a page that was read leaves no trace"
    ),
    "cursor vanished, 400": Mishap(Page(page="vanished"), MIDDLE),
    "cursor vanished, 404": Mishap(Page(page="vanished", status=404), MIDDLE),
    "page size ignored": Mishap(Page(page="size_ignored"), 1),
    "reversed": Mishap(Page(page="reversed"), MIDDLE),
    "ends not named": Mishap(Page(page="null_ends")),
}
_ITEMS = {
    "wrong types": Item(item="wrong_types"),
    "wrong types everywhere": Item(item="wrong_types", which="all"),
    "unknown fields": Item(item="unknown_fields", which="all"),
    "no identity": Item(item="no_identity"),
    "no object": Item(item="no_object"),
    "null item": Item(item="null"),
}
_IDENTITIES = {
    "identity null": Item(item="null_identity"),
    "identity a number": Item(item="number_identity"),
    "an item twice": Item(item="twice"),
    "an item twice, otherwise": Item(item="twice_otherwise"),
}
_EVENTS = {
    "unknown type": Item(item="unknown_type"),
    "no type": Item(item="no_type"),
    "from the future": Item(item="future"),
    "from 1970": Item(item="zero_time"),
    "before 1970": Item(item="negative_time"),
    "time as text": Item(item="text_time"),
    "time in milliseconds": Item(item="milliseconds", which="all"),
    "no time": Item(item="no_time"),
    "all in one second": Item(item="same_second"),
}

MISHAPS: dict[str, Mishap] = {
    **_statuses(),
    **{name: Mishap(do) for name, do in _CONNECTION.items()},
    **{f"{name} on page 2": Mishap(do, MIDDLE, where=LISTS) for name, do in _CONNECTION.items()},
    **{f"body {name}": Mishap(Body(body=name, size=3_000_000)) for name in _WRECKS},
    **{f"body {name} on page 2": Mishap(Body(body=name, size=3_000_000), MIDDLE, where=LISTS) for name in _WRECKS},
    **{f"page {name}": Mishap(m.do, m.page, m.times, LISTS, m.unseen, m.why) for name, m in _PAGES.items()},
    **{f"item: {name}": Mishap(do) for name, do in _ITEMS.items()},
    **{f"item: {name}": Mishap(do, where=LISTS) for name, do in _IDENTITIES.items()},
    "item: another under a new name": Mishap(
        Item(item="another_identity"),
        1,
        1,
        where=LISTS,
        unseen=LISTS,
        why="an item that was made up looks like any other",
    ),
    "item: left out": Mishap(
        Item(item="late", which="last"), 3, where=LISTS, unseen=frozenset({Paging.NEXT}), why="no ends are named"
    ),
    **{f"event: {name}": Mishap(do, where=LISTS, events=True) for name, do in _EVENTS.items()},
}
