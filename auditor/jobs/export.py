"""Writing the stored audit events as compressed JSON lines, one file an organization and day, for other engines."""

import gzip
import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import IO
from urllib.parse import quote

import msgspec

from auditor.errors import ConfigError
from auditor.store import history
from auditor.store.database import Store
from auditor.store.history import SeenDay, Wanted

FILE = "events.jsonl.gz"
LEVEL = 6  # of gzip; fixed, because the same events must give the same bytes
_DAY = 86_400
_EPOCH = date(1970, 1, 1)
_LAST = (date.max - _EPOCH).days
"""The last day that a calendar can name; what claims to be later is kept with it."""


class _Note(msgspec.Struct, frozen=True):
    """What stands beside a file: what it holds. Engines pass over names that begin with an underscore."""

    events: int
    arrived_at: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Exported:
    """One day of one organization, as it now stands in the directory."""

    path: Path
    day: str
    """`2026-11-24`, in UTC."""
    events: int
    written: bool
    """False when the file held all of it already."""


def export(store: Store, organization: str, directory: Path, since: int | None = None) -> Iterator[Exported]:
    """Write each day that the directory does not hold whole, oldest first, from the day of `since` (Unix seconds) on.

    The file is `DIR/organization=NAME/day=YYYY-MM-DD/events.jsonl.gz`: an event a line, in the bytes that the API
    sent, save for line breaks between tokens, which become spaces. The same events give the same file. A file is
    replaced in one step; a run that was broken off is taken up where it ended.
    Raises ConfigError when the directory cannot be written, and StoreError.
    """
    root = directory / f"organization={quote(organization, safe='')}"
    with store.transaction() as tx:
        days = _named(history.days(tx, organization, since))
    for day in days:
        name = (_EPOCH + timedelta(days=day.number)).isoformat()
        path = root / f"day={name}" / FILE
        try:
            held = _holds(path, day)
            events = day.events if held else _write(store, organization, path, day)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}", hint="check the owner and the disk") from error
        yield Exported(path, name, events, written=not held)


def _named(days: list[SeenDay]) -> list[SeenDay]:
    """`days`, with all beyond the calendar in its last one."""
    late = [day for day in days if day.number >= _LAST]
    if not late:
        return days
    last = SeenDay(_LAST, sum(day.events for day in late), max(day.arrived_at for day in late))
    return [day for day in days if day.number < _LAST] + [last]


def _holds(path: Path, day: SeenDay) -> bool:
    """Whether the file is whole and up to date: the store only ever adds events, so their number tells."""
    try:
        note = msgspec.json.decode(_note_of(path).read_bytes(), type=_Note)
        return (note.events, note.arrived_at) == (day.events, day.arrived_at) and note.sha256 == _digest(path)
    except (FileNotFoundError, msgspec.DecodeError):
        return False


def _write(store: Store, organization: str, path: Path, day: SeenDay) -> int:
    """Write the file, then the note that it is whole; returns the number of events."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = Wanted(since=day.number * _DAY, before=None if day.number == _LAST else (day.number + 1) * _DAY)
    count = arrived_at = 0
    with _replacing(path) as raw, gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as file:
        walk = history.walk(store, organization, wanted)
        for _, second in itertools.groupby(walk, key=lambda event: event.effective_at):
            # Databases may order texts by the rules of a language; bytes are the same everywhere.
            for event in sorted(second, key=lambda each: each.id):
                file.write(line(event.raw))
                count += 1
                arrived_at = max(arrived_at, event.arrived_at)
    with _replacing(_note_of(path)) as note:
        note.write(msgspec.json.encode(_Note(count, arrived_at, _digest(path))))
    return count


def line(raw: bytes) -> bytes:
    """The event on one line. JSON allows line breaks between tokens only, so this changes no value."""
    return raw.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the block ends well; readers see the old one or the new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as file:
        part = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _note_of(path: Path) -> Path:
    return path.with_name("_events.json")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
