"""Event policies over a file of audit events, as if the log had just been read: what each of them finds."""

import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import msgspec

from auditor import clock
from auditor.detection.completing import completing
from auditor.detection.model import BaseMatch
from auditor.errors import ConfigError
from auditor.inventory.events import record_of
from auditor.inventory.model import Record
from auditor.policy.evaluate import base_matches
from auditor.policy.policyset import Correlated, PolicySet
from auditor.policy.program import event_program
from auditor.policy.replay import Dated, RawEvent, Scan, as_it_is

MAX_LINE = 1 << 20
"""Bytes of one event; a longer line is skipped without being kept."""


@dataclass
class Replayed:
    """What became of a file."""

    events: int = 0
    """Events that were judged, each id once."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Why a line was no event, or no new one, to how often."""
    matches: dict[str, list[str]] = field(default_factory=dict)
    """Policy to the ids of events in the order of the file; for a correlation those that complete it, oldest first."""


def replay(policies: PolicySet, file: Path, dated: Dated = as_it_is) -> Replayed:
    """Judge a file with one raw event a line, compressed when its name ends in .gz.

    Lines that hold no event are counted, and nothing of them is kept. Raises ConfigError when the file itself cannot be
    read to its end: what a part of it matches would look like the whole.
    """
    found = Replayed(matches={judge.policy.name: [] for judge in policies.rules})
    judged = _Judged(policies, dated, found.matches)
    with _opened(file) as stream:
        for event in _events(_lines(stream, file), found):
            judged.judge(event)
    for each, matches in judged.counted.items():
        found.matches[each.policy.name] = completing(each.correlation, matches)
    return found


class _Judged:
    """The rules, and what they match, event by event."""

    def __init__(self, policies: PolicySet, dated: Dated, matches: Mapping[str, list[str]]) -> None:
        self._bases = policies.bases
        self._dated = dated
        rules = tuple(dict.fromkeys((*policies.rules, *policies.bases.values())))
        self._scan = Scan(rules, dated)
        self._program = event_program(rules)
        speaking = set(policies.rules)
        self._matches = [matches[rule.policy.name] if rule in speaking else None for rule in rules]
        self._counting = [
            [
                each
                for each in policies.correlations
                if rule in [policies.bases[name] for name in each.correlation.rules]
            ]
            for rule in rules
        ]
        self.counted: dict[Correlated, list[BaseMatch]] = {each: [] for each in policies.correlations}

    def judge(self, event: RawEvent | Record) -> None:
        """One more event; a record is one that happened at no time."""
        numbers = self._numbers(event)
        for number in numbers:
            if (told := self._matches[number]) is not None:
                told.append(event.id)
        # At no time nothing is within a window.
        if isinstance(event, RawEvent) and any(self._counting[number] for number in numbers):
            record = self._scan.whole(event)
            for each in dict.fromkeys(each for number in numbers for each in self._counting[number]):
                self.counted[each] += base_matches(each, self._bases, [record])

    def _numbers(self, event: RawEvent | Record) -> Sequence[int]:
        if isinstance(event, RawEvent):
            return self._scan.matching(event)
        return self._program.matching(self._dated(event).fields, 0)


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


def _events(lines: Iterable[bytes | None], found: Replayed) -> Iterator[RawEvent | Record]:
    seen: set[str] = set()
    for line in lines:
        if line is None:
            found.skipped["too long"] += 1
        elif line.strip():
            event = _event(line.strip())
            if event is None:
                found.skipped["no audit event"] += 1
            elif event.id in seen:
                found.skipped["seen before"] += 1
            else:
                seen.add(event.id)
                found.events += 1
                yield event


def _event(line: bytes) -> RawEvent | Record | None:
    """The event of a line, decoded whole once to see that it is one; a record of it when it happened at no time."""
    try:
        body = msgspec.json.decode(line)
        identity, kind, at = body["id"], body["type"], body.get("effective_at")
        if isinstance(identity, str) and isinstance(kind, str) and clock.is_time(at):
            return RawEvent(identity, kind, at, line)
        return record_of(line)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        # Bytes that are no text, lists in lists without end, and what is no object are no events either.
        return None
