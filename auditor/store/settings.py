"""The settings that no endpoint shows, as the last snapshot found them."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select

from auditor.store.database import Transaction
from auditor.store.tables import settings


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting. Times are Unix seconds; texts come from the organization and from people: never trust them."""

    name: str
    value: str | None
    """None when nobody can say."""
    source: str
    """`observed`, `attested` or `unknown`."""
    since: int | None = None
    """When it was last set, or attested."""
    event: str = ""
    attestation: str = ""
    """What the newest attestation is worth; empty without one."""
    by: str = ""
    until: int | None = None
    evidence: str = ""
    why: str = ""
    """Why it is unknown."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one organization."""

    taken_at: int = 0
    """When they were folded; 0 when they never were."""
    lines: tuple[SettingLine, ...] = ()


_decode = msgspec.json.Decoder(tuple[SettingLine, ...]).decode


def write(tx: Transaction, organization: str, taken_at: int, lines: Sequence[SettingLine]) -> None:
    """Replace the settings of an organization."""
    body = msgspec.json.encode(lines)
    tx.put(settings, [{"organization": organization, "taken_at": taken_at, "body": body}])


def read(tx: Transaction, organization: str) -> Settings:
    """The settings as they were last seen."""
    query = select(settings.c.taken_at, settings.c.body).where(settings.c.organization == organization)
    row = tx.execute(query).one_or_none()
    return Settings(row.taken_at, _decode(bytes(row.body))) if row else Settings()
