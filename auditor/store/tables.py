"""The tables as the newest migration leaves them. Times are Unix seconds; those of leases come from the database."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)

HEAD = "0012"
"""Revision that these tables are; a test holds it equal to the newest migration."""


def storable(text: str) -> str:
    """`text` without what PostgreSQL or UTF-8 cannot hold: NUL and lone surrogates, which hostile names may carry."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


class Words(TypeDecorator[str]):
    """Text from anywhere; enumerations of words too."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is stored of `value`."""
        return None if value is None else storable(value)


class Json(TypeDecorator[Any]):
    """A JSON value as text, the same in both databases; tuples come back as lists."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, object] | Sequence[object] | None, dialect: Dialect) -> str | None:
        """The text that is stored."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The value that was stored."""
        return None if value is None else msgspec.json.decode(value)


metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)

_Rowid = BigInteger().with_variant(Integer, "sqlite")
"""Only INTEGER counts up by itself in SQLite."""

organizations = Table(
    "organizations",
    metadata,
    Column("name", Words, primary_key=True),
    Column("baseline_at", BigInteger),
)

events = Table(
    "events",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("id", Words, primary_key=True),
    Column("type", Words, nullable=False),
    Column("effective_at", BigInteger, nullable=False),
    Column("arrived_at", BigInteger, nullable=False),
    Column("stream", Words, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Index(None, "organization", "type", "effective_at"),
    Index(None, "organization", "effective_at"),
    Index(None, "organization", "stream", "effective_at"),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("stream", Words, primary_key=True),
    Column("at", BigInteger),
    Column("polled_at", BigInteger, nullable=False),
    Column("status", Words, nullable=False),
    Column("reason", Words, nullable=False),
)

intervals = Table(
    "intervals",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("stream", Words, primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("taken_at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("id", Words, primary_key=True),
    Column("organization", Words, nullable=False),
    Column("policy", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("ids", Json, nullable=False),
    Column("name", Words, nullable=False),
    Column("level", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("title", Words, nullable=False),
    Column("message", Words, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger),
    Column("absences", Integer, nullable=False),
    Column("absent_since", BigInteger),
    Column("occurrence", Boolean, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("decision", Json),
    Column("since", BigInteger),
    Column("overdue_told", BigInteger),
    Column("ending_told", BigInteger),
    Column("flapping_since", BigInteger),
    Index(None, "organization", "state"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("row", _Rowid, primary_key=True),
    Column("organization", Words, nullable=False),
    Column("finding", Words, ForeignKey("findings.id"), nullable=False),
    Column("before", Words),
    Column("after", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("run", Words),
    # Who decided it and why; the waiver that began or ended, and until when it holds.
    Column("by", Words),
    Column("comment", Words),
    Column("waiver", Words),
    Column("until", BigInteger),
    Index(None, "organization", "at"),
    Index(None, "finding"),
)

waivers = Table(
    "waivers",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("id", Words, primary_key=True),
    Column("origin", Words, nullable=False),
    Column("body", Json, nullable=False),
    # Since when it is known; those of the file that are gone from it end at `gone_at`.
    Column("known_at", BigInteger, nullable=False),
    Column("gone_at", BigInteger),
    # When it last matched a finding, and how many in the last pass.
    Column("matched_at", BigInteger),
    Column("matches", Integer, nullable=False),
)

waiver_uses = Table(
    "waiver_uses",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("waiver", Words, primary_key=True),
    Column("finding", Words, ForeignKey("findings.id"), primary_key=True),
    # `grant` is a word of SQL.
    Column("granted", Words, nullable=False),
    Column("facts", Json, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("void_at", BigInteger),
    Column("why", Words, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Words, primary_key=True),
    Column("organization", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    # Counts the runs of an organization; NULL for those of before 0002, which hold all of themselves in `body`.
    Column("number", BigInteger),
    Column("body", LargeBinary, nullable=False),
    Index(None, "organization", "kind", "finished_at"),
    Index(None, "organization", "number"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("row", _Rowid, primary_key=True),
    Column("organization", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("scope", Json, nullable=False),
    Column("status", Words, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("surprises", Json),
    Column("reason", Words),
    Column("hint", Words),
    # When the scope was last read whole before this range began.
    Column("complete_at", BigInteger),
    # The range: the same in every run from `first_run` (at `since`) up to the one before `end_run`; NULL is still so.
    Column("first_run", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("end_run", BigInteger),
    Column("until", BigInteger),
    Index(None, "organization", "kind", "end_run"),
)

bodies = Table(
    "bodies",
    metadata,
    Column("sha256", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    # When it came, while no row names it; NULL once one does.
    Column("staged_at", BigInteger),
    Index(None, "staged_at"),
)

versions = Table(
    "versions",
    metadata,
    Column("row", _Rowid, primary_key=True),
    Column("organization", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("ids", Json, nullable=False),
    Column("body", LargeBinary, ForeignKey("bodies.sha256"), nullable=False),
    Column("came", Words, nullable=False),
    # The last reading before `valid_from` that would have shown it, and the last one before `valid_to` that did.
    Column("after", BigInteger),
    Column("valid_from", BigInteger, nullable=False),
    Column("seen_to", BigInteger),
    Column("valid_to", BigInteger),
    Index(None, "organization", "kind", "valid_to"),
    Index(None, "organization", "valid_from"),
    Index(None, "body"),
)

readings = Table(
    "readings",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("kind", Words, primary_key=True),
    Column("scope", Json, primary_key=True),
    Column("read_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
)

volatiles = Table(
    "volatiles",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("kind", Words, primary_key=True),
    Column("ids", Json, primary_key=True),
    Column("current", Json, nullable=False),
)

volatile_days = Table(
    "volatile_days",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("kind", Words, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("moved", LargeBinary, nullable=False),
)

matches = Table(
    "matches",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("correlation", Words, primary_key=True),
    Column("rule", Words, primary_key=True),
    Column("event_id", Words, primary_key=True),
    # The values of a group may be longer than an index entry of PostgreSQL; their hash, without case, never is.
    Column("group_sha256", Words, primary_key=True),
    Column("group_values", Json, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("value", Words),
    Column("occurrence", Words),
    Index(None, "organization", "correlation", "group_sha256", "at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("row", _Rowid, primary_key=True),
    Column("id", Words, nullable=False),
    Column("sink", Words, nullable=False),
    Column("organization", Words, nullable=False),
    Column("order_key", Words, nullable=False),
    Column("alert", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("state", Words, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("owner", Words),
    Column("lease_until", Double),
    Column("error", Words, nullable=False),
    Column("receipt", Json),
    Column("settled_at", Double),
    # Those of one group that have the same `flush_at` are told in one message.
    Column("group_key", Words, nullable=False, server_default=""),
    Column("flush_at", Double),
    # Those with the same one were sent as one message, of which it is not known whether it arrived.
    Column("batch", Words, nullable=False, server_default=""),
    # When it was first tried; NULL before.
    Column("tried_at", Double),
    # What no storm of others may hold up.
    Column("protected", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("id", "sink"),
    Index(None, "state", "due_at"),
    Index(None, "sink", "order_key", "row"),
    Index(None, "sink", "group_key", "flush_at"),
    Index(None, "sink", "batch"),
    Index(None, "sink", "settled_at"),
)
# As the queries ask: from another wording SQLite does not see that the index serves.
Index("ix_outbox_protected", outbox.c.sink, sqlite_where=text("protected = 1"), postgresql_where=outbox.c.protected)

conversations = Table(
    "conversations",
    metadata,
    Column("sink", Words, primary_key=True),
    Column("key", Words, primary_key=True),
    Column("organization", Words, nullable=False),
    Column("place", Json, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Index(None, "sink", "began_at"),
)

silences = Table(
    "silences",
    metadata,
    Column("id", Words, primary_key=True),
    Column("matchers", Json, nullable=False),
    Column("author", Words, nullable=False),
    Column("comment", Words, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Index(None, "ends_at"),
)

work = Table(
    "work",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("kind", Words, primary_key=True),
    Column("due_at", Double, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("owner", Words),
    Column("lease_until", Double),
    Index(None, "due_at"),
)

reports = Table(
    "reports",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("period", Words, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("path", Words, nullable=False),
    Column("sha256", Words, nullable=False),
)

usage_readings = Table(
    "usage_readings",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("report", Words, primary_key=True),
    Column("tried_at", BigInteger, nullable=False),
    Column("read_at", BigInteger),
    Column("status", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("hint", Words, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("surprises", Json, nullable=False),
)

usage_days = Table(
    "usage_days",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("report", Words, primary_key=True),
    Column("read_at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

usage_names = Table(
    "usage_names",
    metadata,
    Column("organization", Words, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Words, nullable=False),
)
