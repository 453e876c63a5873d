"""A file that people write by hand and that is one list of strict entries: every fault at once, each with its line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationError

from auditor import clock, textfile, yamlfile
from auditor.errors import Fault, FaultyFiles, did_you_mean
from auditor.yamlfile import Document, Place

MAX_BYTES = 1_000_000
DAY = 86_400


class Entry(BaseModel):
    """One entry as it is written. What pydantic says of a value never repeats it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


T = TypeVar("T", bound=Entry)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What the entries of a file are, and how they are called."""

    model: type[T]
    one: str
    """`an attestation`."""
    many: str
    """`attestations`, which is also the key of the configuration that names the file."""
    begin: str
    """How an entry may begin."""
    words: Mapping[str, str]
    """What to say of a value that fits none of several types, by key: `pinned`, or `match.kind` inside of another."""


@dataclass(frozen=True, slots=True)
class Last:
    """When it is over, as it is written: on a day, which still counts, or at a moment."""

    until: int
    """Unix seconds."""
    is_day: bool

    @property
    def written(self) -> int:
        """The beginning of that day, or the moment."""
        return self.until - DAY if self.is_day else self.until


def _start(value: object) -> int:
    return _seconds(value, 0)


def _end(value: object) -> int:
    return _seconds(value, DAY)


def _last(value: object) -> Last:
    until = _end(value)
    return Last(until, is_day=until != _start(value))


def _seconds(value: object, rest_of_day: int) -> int:
    """Unix seconds of a day (its start, or `rest_of_day` later) or of a moment."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            seconds = clock.epoch(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            seconds = -1
        if clock.is_time(seconds + rest_of_day) and seconds >= 0:
            return seconds + (rest_of_day if len(value.strip()) <= len("2026-11-24") else 0)
    raise ValueError("must be a day or a moment, for example 2026-11-24 or 2026-11-24T08:00:00Z")


Begin = Annotated[int, BeforeValidator(_start)]
"""Unix seconds at which a day begins, or of a moment."""
End = Annotated[int, BeforeValidator(_end)]
"""Unix seconds at which a day is over, or of a moment."""
Ending = Annotated[Last, PlainValidator(_last)]
"""The same, and which of both it is."""


class Entries(Generic[T]):
    """The entries of one file, and the way back to the lines they were written in."""

    def __init__(self, path: Path, kind: Kind[T]) -> None:
        """Raises FaultyFiles when it is no list; ConfigError when it cannot be read."""
        documents = yamlfile.load(_text(path, kind), str(path))
        if len(documents) != 1 or not isinstance(documents[0].value, list):
            message = f"{_article(kind)} file is one list"
            raise FaultyFiles([Fault(str(path), 1, 1, message, f"start with `{kind.begin}`")])
        self._document = documents[0]
        self._kind = kind
        self.faults: list[Fault] = []

    def read(self) -> Iterator[tuple[int, T]]:
        """The entries that are well formed, with their index; of the others `faults` tells."""
        assert isinstance(self._document.value, list)  # noqa: S101 - it was looked at above; for the type checker
        for index, entry in enumerate(self._document.value):
            if written := self._checked(entry, index):
                yield index, written

    def fault(self, place: Place, message: str, hint: str = "") -> Fault:
        """A fault at a place of the file, for what only the caller can check."""
        return _fault(self._document, place, message, hint)

    def _checked(self, entry: object, index: int) -> T | None:
        if not isinstance(entry, Mapping):
            begin = f"start with `{self._kind.begin}`"
            self.faults.append(self.fault((index,), f"{self._kind.one} is a mapping", begin))
            return None
        try:
            return self._kind.model.model_validate(entry)
        except ValidationError as error:
            told: dict[Place, Fault] = {}
            for each in error.errors():
                # A value that fits none of several types is one fault, whatever pydantic says of each of them.
                where = (index, *_written(each["loc"], entry))
                told.setdefault(where, self._explained(where, each))
            self.faults.extend(told.values())
            return None

    def _explained(self, place: Place, error: Any) -> Fault:
        name = str(place[-1])
        if error["type"] == "missing":
            return self.fault(place[:-1], f"`{name}` is missing")
        if error["type"] == "extra_forbidden":
            known = _keys(self._kind.model, place[1:-1])
            return self.fault(place, f"unknown key `{name}`", did_you_mean(name, known, "keys"))
        message = str(error["msg"]).removeprefix("Value error, ")
        message = self._kind.words.get(".".join(map(str, place[1:])), message)
        subject = f"`{name}` " if len(place) > 1 else ""
        return self.fault(place, f"{subject}{message[:1].lower()}{message[1:]}")


def _written(loc: Place, entry: Mapping[str, object]) -> Place:
    """The part of pydantic's place that names keys of the file; what it adds of its own (types, indexes) is cut."""
    place: list[str | int] = []
    here: object = entry
    for step in loc:
        place.append(step)
        here = here.get(str(step)) if isinstance(here, Mapping) else None
        if not isinstance(here, Mapping):
            break
    return tuple(place)


def _keys(model: type[BaseModel], place: Place) -> list[str]:
    for step in place:
        inner = model.model_fields[str(step)].annotation
        assert isinstance(inner, type)  # noqa: S101 - only a nested entry has unknown keys of its own
        model = inner
    return list(model.model_fields)


def _article(kind: Kind[T]) -> str:
    return f"{kind.one.split()[0]} {kind.many}"


def _text(path: Path, kind: Kind[T]) -> str:
    return textfile.read(
        path,
        f"the {kind.many}",
        MAX_BYTES,
        unreadable=f"`{kind.many}` in the configuration names it, relative to that file",
        large="keep fewer, or shorter ones",
        foreign="save the file as UTF-8",
    )


def _fault(document: Document, place: Place, message: str, hint: str) -> Fault:
    line, column = document.where(place)
    return Fault(document.file, line, column, message, hint)
