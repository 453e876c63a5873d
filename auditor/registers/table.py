"""REGISTERS: the files that an operator may keep beside the configuration, and the columns of each. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Row = Mapping[str, object]
"""Column to value: str, int (Unix seconds), bool or tuple of str; an empty cell is no entry."""


class Form(StrEnum):
    """What a cell holds."""

    TEXT = "text"
    ADDRESS = "mail address"
    TIME = "ISO 8601 date or time"
    FLAG = "yes or no"
    WORDS = "list, parted by `;`"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a register."""

    form: Form = Form.TEXT
    required: bool = False
    words: tuple[str, ...] = ()
    """The words that may stand there; empty for any."""


@dataclass(frozen=True, slots=True)
class Register:
    """One kind of file."""

    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    """Columns that together stand for one row only; empty where rows may be alike."""
    span: tuple[str, str] | None = None
    """Two columns of times, the first of which is the earlier."""


_TEXT, _NEEDED = Column(), Column(required=True)

REGISTERS: Mapping[str, Register] = {
    "service_accounts": Register(
        {
            "service_account": _NEEDED,  # id or name
            "project": _TEXT,  # id or name; needed where two projects have an account of that name
            "owner": Column(Form.ADDRESS),
            "purpose": _TEXT,
            "review_by": Column(Form.TIME),
        },
        key=("service_account", "project"),
    ),
    "leavers": Register(
        {"email": Column(Form.ADDRESS, required=True), "left_at": Column(Form.TIME, required=True), "name": _TEXT},
        key=("email",),
    ),
    "planned_changes": Register(
        {
            "ticket": _NEEDED,
            "events": Column(Form.WORDS, required=True),  # types of audit events; `ip_allowlist.*` stands for many
            "from": Column(Form.TIME, required=True),
            "until": Column(Form.TIME, required=True),
            "actor": _TEXT,  # mail address or id; without it, anybody
            "kind": Column(words=("change", "freeze")),
        },
        span=("from", "until"),
    ),
    "projects": Register(
        {
            "project": _NEEDED,  # id or name
            "owner": Column(Form.ADDRESS),
            "environment": Column(words=("production", "staging", "test", "development", "sandbox")),
            "data_class": Column(words=("public", "internal", "confidential", "restricted")),
            "groups": Column(Form.WORDS),
            "tools": Column(Form.WORDS),
            "residencies": Column(Form.WORDS),
            "group_managed": Column(Form.FLAG),
            "certificate_required": Column(Form.FLAG),
            "external_key_required": Column(Form.FLAG),
        },
        key=("project",),
    ),
}
"""Every register, by the name it has in auditor.yaml. A new register, or a new column, is an entry here."""


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers that were read; one that is not named in auditor.yaml is absent, not empty."""

    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)

    def get(self, name: str) -> tuple[Row, ...] | None:
        """The rows of a register, None when there is no such file."""
        return self.rows.get(name)


NONE = Registers()
"""No register at all."""
