"""The one YAML loader: bounded, without anchors and tags, YAML 1.2 scalars, every value with its place in the file."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.reader import Reader, ReaderError

from auditor.errors import Fault, FaultyFiles

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 50_000

Place = tuple[str | int, ...]

# libyaml's parser, where PyYAML has it: twenty times as fast. It gives events as they come and builds nothing of them,
# so that what is nested too deep is refused before it could fill a stack.
_FAST = getattr(yaml, "CSafeLoader", None)

_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_OCTAL = re.compile(r"0o[0-7]{1,100}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_WORDS: dict[str, object] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)

_STARTS = frozenset({yaml.MappingStartEvent, yaml.SequenceStartEvent})
_ENDS = frozenset({yaml.MappingEndEvent, yaml.SequenceEndEvent})
_NODES = _STARTS | {yaml.ScalarEvent, yaml.AliasEvent}

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*( [A-Za-z0-9_./@-]+)*|(\d{1,9}[smhdw])+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_QUOTED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML 1.2, or the 1.1 of other tools, reads as something else."""


@dataclass(frozen=True)
class Document:
    """One document of a file: plain data, and where each part of it stands."""

    value: object = field(repr=False)
    """Plain data; a configuration holds secrets, so no traceback shows it."""
    file: str
    places: dict[Place, tuple[int, int]] = field(default_factory=dict, repr=False)

    def where(self, place: Place) -> tuple[int, int]:
        """Line and column, from 1, of a value, or of its nearest ancestor that is in the file."""
        while place and place not in self.places:
            place = place[:-1]
        return self.places.get(place, (1, 1))


class _Refused(Exception):
    def __init__(self, message: str, mark: object, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.mark, self.hint = message, mark, hint


def load(text: str, file: str) -> list[Document]:
    """Every document of `text`; `file` is its name, for messages. Raises FaultyFiles with place and hint."""
    if len(text) > MAX_CHARACTERS:
        raise FaultyFiles(
            [Fault(file, 0, 0, f"more than {MAX_CHARACTERS:,} characters", "split it into several files")]
        )
    return _sound(text, file) or _explained(text, file)


def _sound(text: str, file: str) -> list[Document]:
    """The documents of a text without any fault, read fast; none when something is wrong, which is told elsewhere."""
    if _FAST is None or Reader.NON_PRINTABLE.search(text):
        return []
    try:
        return [_document(events, file) for events in _documents(text, _FAST)]
    except (_Refused, yaml.YAMLError, ValueError, OverflowError, RecursionError, AttributeError):
        return []


def _explained(text: str, file: str) -> list[Document]:
    """The documents, or what is wrong with them in the words and at the places that people know."""
    try:
        return [_document(events, file) for events in _documents(text, yaml.SafeLoader)]
    except _Refused as refused:
        raise _faulty(file, refused.message, refused.mark, refused.hint) from None
    except yaml.MarkedYAMLError as error:
        message, mark = str(error.problem or error.context or "not YAML"), error.problem_mark or error.context_mark
        raise _faulty(file, message, mark, _unquoted(text, mark, message)) from None
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        message = f"the character U+{ord(text[error.position]):04X} is not allowed"
        raise FaultyFiles([Fault(file, line, column, message, "delete it")]) from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, AttributeError) as error:
        # PyYAML lets some of its own faults out as these; none of them is worth a traceback to whoever wrote the file.
        raise _faulty(file, f"not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None


_BRACES = re.compile(r"(?:^|[:,\[{]|- )\s*\{\{")


def _unquoted(text: str, mark: object, message: str) -> str:
    """What to write where a text should have stood in quotes: after templates, parameters, wildcards, expressions."""
    line = text.splitlines()[mark.line : mark.line + 1] if isinstance(mark, yaml.Mark) else []
    if "unknown escape" in message:
        return "in double quotes `\\` begins an escape: write single quotes"
    if line and _BRACES.search(line[0]):
        return "put a text that begins with `{{` in quotes"
    if "alphabetic or numeric" in message:
        return "put a text that begins with `*` or `&` in quotes"
    if "cannot start any token" in message:
        return "indent with spaces" if "\\t" in message else "put a text that begins so in quotes"
    return ""


def _faulty(file: str, message: str, mark: object = None, hint: str = "") -> FaultyFiles:
    line = mark.line + 1 if isinstance(mark, yaml.Mark) else 0
    column = mark.column + 1 if isinstance(mark, yaml.Mark) else 0
    return FaultyFiles([Fault(file, line, column, message, hint)])


def _spot(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _documents(text: str, loader: Any) -> Iterator[list[yaml.Event]]:
    """The events of each document, refused before anything is built of them: bombs need no memory then."""
    depth = nodes = 0
    events: list[yaml.Event] = []
    for event in yaml.parse(text, Loader=loader):
        _refuse(event)
        kind = type(event)
        depth += (kind in _STARTS) - (kind in _ENDS)
        nodes += kind in _NODES
        if depth > MAX_DEPTH:
            raise _Refused(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        if nodes > MAX_NODES:
            raise _Refused(f"more than {MAX_NODES:,} values", event.start_mark, "split the file")
        if kind in _NODES or kind in _ENDS:
            events.append(event)
        elif kind is yaml.DocumentStartEvent:
            events = []
        elif kind is yaml.DocumentEndEvent:
            yield events


def _refuse(event: yaml.Event) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise _Refused("anchors and aliases are not allowed", event.start_mark, "write the value out where it is used")
    if getattr(event, "tag", None):
        raise _Refused("tags are not allowed", event.start_mark, "write a plain value")
    if isinstance(event, yaml.ScalarEvent) and (found := _UNPRINTABLE.search(event.value)):
        # Written as an escape: `"\e[2J"` would reach terminals, half a surrogate pair no encoder accepts.
        raise _Refused(f"the character U+{ord(found[0]):04X} is not allowed", event.start_mark, "delete it")


def _document(events: Iterable[yaml.Event], file: str) -> Document:
    builder = _Builder(iter(events))
    value = builder.value((), next(builder.events))
    return Document(value, file, builder.places)


class _Builder:
    """Plain data from events, noting where each value and each key stands."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self.events = events
        self.places: dict[Place, tuple[int, int]] = {}

    def value(self, place: Place, event: yaml.Event) -> object:
        """The value that starts with `event`; reads its events to the end. Depth is bounded already."""
        self.places.setdefault(place, _spot(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place)
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - aliases were refused; there is no other node
        return _scalar(event)

    def _sequence(self, place: Place) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value((*place, len(items)), event))
        return items

    def _mapping(self, place: Place) -> dict[str, object]:
        result: dict[str, object] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event)
            if key in result:
                raise _Refused(f"the key `{key[:100]}` stands here twice", event.start_mark, "keep one of them")
            # A fault of an entry is shown at its key, where a person looks for it.
            self.places[(*place, key)] = _spot(event)
            result[key] = self.value((*place, key), next(self.events))
        return result

    def _key(self, event: yaml.Event) -> str:
        """A key is the text that is written, whatever it looks like: `on`, `2024`, `null`."""
        if not isinstance(event, yaml.ScalarEvent):
            hint = "put a text that begins with `{{` in quotes" if isinstance(event, yaml.MappingStartEvent) else ""
            raise _Refused("a key must be a plain word", event.start_mark, hint)
        if event.value == "<<":
            raise _Refused("merge keys are not allowed", event.start_mark, "write the values out")
        return str(event.value)


def _scalar(event: yaml.ScalarEvent) -> object:
    """The value of a scalar in YAML 1.2's core schema: `on`, `no`, `12:30` and dates are text."""
    text = str(event.value)
    # A plain scalar has no style; libyaml says so with an empty text.
    if event.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    for pattern, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            return int(text.replace("0o", "").replace("0x", ""), base)
    number = float(text) if _FLOAT.fullmatch(text) else math.inf
    return number if math.isfinite(number) else text


def flow(value: object) -> str:
    """`value` on one line, quoted only where YAML 1.2 would read something else."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _QUOTED:
        return value
    return json.dumps(value, ensure_ascii=False)
