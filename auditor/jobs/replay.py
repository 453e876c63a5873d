"""Event policies over a file of audit events, as if the log had just been read: what each of them finds."""

import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import islice
from pathlib import Path

from auditor.detection.completing import completing
from auditor.detection.model import BaseMatch
from auditor.errors import ConfigError
from auditor.inventory.events import record_of
from auditor.inventory.model import Record
from auditor.policy.evaluate import base_matches, match
from auditor.policy.policyset import PolicySet

MAX_LINE = 1 << 20
"""Bytes of one event; a longer line is skipped without being kept."""
_BATCH = 1000
"""Events that are held at once."""


@dataclass
class Replayed:
    """What became of a file."""

    events: int = 0
    """Events that were judged, each id once."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Why a line was no event, or no new one, to how often."""
    matches: dict[str, list[str]] = field(default_factory=dict)
    """Policy to the ids of events in the order of the file; for a correlation those that complete it, oldest first."""


def replay(policies: PolicySet, file: Path) -> Replayed:
    """Judge a file with one raw event a line, compressed when its name ends in .gz.

    Lines that hold no event are counted, and nothing of them is kept. Raises ConfigError when the file itself cannot be
    read to its end: what a part of it matches would look like the whole.
    """
    found = Replayed(matches={judge.policy.name: [] for judge in policies.rules})
    counted: dict[str, list[BaseMatch]] = {each.policy.name: [] for each in policies.correlations}
    with _opened(file) as stream:
        records = _records(_lines(stream, file), found)
        while batch := list(islice(records, _BATCH)):
            for verdict in match(policies, batch, now=0):
                found.matches[verdict.policy] += verdict.events
            for each in policies.correlations:
                counted[each.policy.name] += base_matches(each, policies.bases, batch)
    for each in policies.correlations:
        found.matches[each.policy.name] = completing(each.correlation, counted[each.policy.name])
    return found


def _opened(file: Path) -> gzip.GzipFile | BufferedReader:
    try:
        return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error


def _lines(stream: gzip.GzipFile | BufferedReader, file: Path) -> Iterator[bytes | None]:
    """Each line; None for one that is too long, of which no more than a piece is held."""
    try:
        while line := stream.readline(MAX_LINE + 1):
            whole = len(line) <= MAX_LINE or line.endswith(b"\n")
            while not line.endswith(b"\n") and len(line) > MAX_LINE:
                line = stream.readline(MAX_LINE + 1) or b"\n"
            yield line if whole else None
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{file} cannot be read to its end: {error}") from error


def _records(lines: Iterable[bytes | None], found: Replayed) -> Iterator[Record]:
    seen: set[str] = set()
    for line in lines:
        if line is None:
            found.skipped["too long"] += 1
        elif line.strip():
            record = _record(line)
            if record is None:
                found.skipped["no audit event"] += 1
            elif record.id in seen:
                found.skipped["seen before"] += 1
            else:
                seen.add(record.id)
                found.events += 1
                yield record


def _record(line: bytes) -> Record | None:
    try:
        return record_of(line.strip())
    except (ValueError, RecursionError):
        # Bytes that are no text and lists in lists without end are no events either.
        return None
