"""What a fault is and when it strikes: the rules as they are written in a file or built by a test."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Match(_Strict):
    """Which requests a rule is for; what is left out matches all."""

    path: str = "*"
    """Glob on the path below the root: `/organization/projects/*/users`."""
    kind: str | None = None
    """Kind of resource, as RESOURCES names it, or `audit_event`."""
    project: str | None = None
    """Id of the project in the path."""
    page: int | None = Field(None, ge=1)
    """Number of the page within its walk, from 1."""
    nth: int | None = Field(None, ge=1)
    """Only the n-th of the requests that all else lets through."""
    window: list[float] | None = Field(None, min_length=2, max_length=2)
    """Seconds since the rules were set: from, until."""


class Status(_Strict):
    """Answer with this status instead."""

    status: int = Field(ge=200, le=599)
    retry_after: str | float | None = None
    """The header as it is sent: seconds, or any text."""
    retry_date: float | None = None
    """The header as an HTTP date, so many seconds from now."""
    body: Literal["error", "html", "empty"] = "error"
    location: str | None = None


class Delay(_Strict):
    """Answer late."""

    delay: float = Field(ge=0)
    """Seconds."""
    growing: bool = False
    """Whether the n-th answer comes n times as late."""


class Answer(_Strict):
    """Take the request and never answer."""

    answer: Literal["never"]


class Drip(_Strict):
    """Send the body byte by byte."""

    drip: float = Field(gt=0)
    """Seconds between two bytes."""


class Stall(_Strict):
    """Begin the answer, then send nothing more and keep the connection."""

    stall: Literal["headers", "body"]
    after_bytes: int = Field(16, ge=0)
    """How much of the headers or of the body goes out."""


class Reset(_Strict):
    """Reset the connection; after a whole answer, end one that was to be kept."""

    reset: Literal["before_request", "after_request", "mid_headers", "mid_body", "after_answer"]
    after_bytes: int = Field(16, ge=0)
    """How much of the headers or of the body still goes out."""


class Length(_Strict):
    """Declare a Content-Length that is not the body's, or send chunks that are none, then close."""

    length: Literal["short", "long", "broken_chunk"]


Wreck = Literal[
    "truncated", "trailing_junk", "empty", "null", "array", "html", "bom", "utf16", "invalid_utf8", "lone_surrogate",
    "nan", "infinity", "huge_float", "big_integer", "duplicate_keys", "duplicate_item_keys", "deep", "oversized",
    "gzip_bomb", "gzip_cut", "wrong_encoding", "unknown_encoding", "wrong_type",
]  # fmt: skip


class Body(_Strict):
    """Spoil the body as bytes."""

    body: Wreck
    size: int = Field(40 * 1024 * 1024, ge=1)
    """Bytes of an oversized body, and of a bomb when it is unpacked."""
    depth: int = Field(100_000, ge=1)
    """Levels of a deep body."""


ItemWreck = Literal[
    "wrong_types", "unknown_fields", "no_identity", "null_identity", "number_identity", "no_object", "null",
    "twice", "twice_otherwise", "another_identity", "unknown_type", "no_type", "future", "zero_time", "negative_time",
    "text_time", "milliseconds", "no_time", "same_second", "late",
]  # fmt: skip


class Item(_Strict):
    """Spoil items of a list, or a single object; the last ones are for audit events."""

    item: ItemWreck
    which: Literal["first", "last", "all"] = "first"
    by: int = 31_536_000
    """Seconds by which a time of the future is ahead."""


PageWreck = Literal[
    "missing", "repeated", "loop", "no_cursor", "no_has_more", "null_has_more", "ends_early", "ends_with_cursor",
    "promises_more", "empty", "empty_end", "without_first", "without_last", "without_middle", "shifted_back",
    "shifted_forth", "vanished", "size_ignored", "reversed", "null_ends",
]  # fmt: skip


class Page(_Strict):
    """Lie about pages."""

    page: PageWreck
    length: int = Field(1, ge=1)
    """Pages of a loop."""
    status: Literal[400, 404] = 400
    """How a cursor is refused whose row has vanished."""


class Skew(_Strict):
    """Send another time in the Date header."""

    skew: float | Literal["absent", "malformed"]
    """Seconds that the server's clock is ahead."""


Fault = Status | Delay | Answer | Drip | Stall | Reset | Length | Body | Item | Page | Skew
_FAULTS: Mapping[str, type[Fault]] = {
    "status": Status,
    "delay": Delay,
    "answer": Answer,
    "drip": Drip,
    "stall": Stall,
    "reset": Reset,
    "length": Length,
    "body": Body,
    "item": Item,
    "page": Page,
    "skew": Skew,
}
FAULT_WORDS = tuple(_FAULTS)


def _word(value: Any) -> str | None:
    """The word that says which fault it is. `status` also belongs to a page, and `body` to a status."""
    keys = value if isinstance(value, Mapping) else type(value).model_fields if isinstance(value, BaseModel) else ()
    return next((word for word in ("page", *FAULT_WORDS) if word in keys), None)


Do = Annotated[
    Annotated[Status, Tag("status")]
    | Annotated[Delay, Tag("delay")]
    | Annotated[Answer, Tag("answer")]
    | Annotated[Drip, Tag("drip")]
    | Annotated[Stall, Tag("stall")]
    | Annotated[Reset, Tag("reset")]
    | Annotated[Length, Tag("length")]
    | Annotated[Body, Tag("body")]
    | Annotated[Item, Tag("item")]
    | Annotated[Page, Tag("page")]
    | Annotated[Skew, Tag("skew")],
    Discriminator(
        _word,
        custom_error_type="no_fault",
        custom_error_message="not a fault; one of " + ", ".join(FAULT_WORDS) + " must stand here",
    ),
]


class Rule(_Strict):
    """One fault: when it strikes, and how often."""

    match: Match = Match()
    do: Do
    times: int | None = Field(None, ge=1)
    """How often at most; without it, as long as the rules stand."""


class Plan(_Strict):
    """All rules; the first that matches a request strikes, and a request that none matches is answered honestly."""

    largest_page: int | None = Field(None, ge=1)
    """No page holds more items, whatever is asked for."""
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _sequence(cls, value: Any) -> Any:
        """YAML has lists, and strict validation wants the tuple."""
        if isinstance(value, Mapping) and isinstance(value.get("rules"), list):
            return {**value, "rules": tuple(value["rules"])}
        return value
