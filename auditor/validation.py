"""What pydantic says of a value, in the words of the file that holds it: one fault, one sentence, no value repeated."""

import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from auditor.errors import did_you_mean

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing wrong in a section."""

    place: Place
    """Where it stands; of what is missing, where it should."""
    message: str
    hint: str = ""


_WORDS: Mapping[str, str] = {
    "tuple_type": "must be a list, for example [a, b]",
    "list_type": "must be a list, for example [a, b]",
    "dict_type": "must be a mapping, for example {name: value}",
    "mapping_type": "must be a mapping, for example {name: value}",
    "model_type": "must be a mapping, for example {name: value}",
    "model_attributes_type": "must be a mapping, for example {name: value}",
    "string_type": "must be text, in quotes where it looks like something else",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "path_type": "must be a path",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}

_SAME: Mapping[str, str] = {
    "receivers": "sinks",
    "receiver": "to",
    "matchers": "match",
    "match_re": "match",
    "mute_time_intervals": "time_intervals",
    "source_matchers": "source_match",
    "source_match_re": "source_match",
    "target_matchers": "target_match",
    "target_match_re": "target_match",
    "alertname": "policy",
    "severity": "level",
    "instance": "resource",
}
"""Words of those who come from Alertmanager, and ours."""


def explained(error: ValidationError, model: type[BaseModel], above: Place = ()) -> list[Wrong]:
    """What is wrong with the section that `model` describes and that stands at `above`."""
    found = error.errors(include_url=False)
    places = [each["loc"] for each in found]
    # A list whose parts are all wrong is not empty, though pydantic has none left to count.
    real = (each for each in found if each["type"] != "too_short" or not _has_inner(each["loc"], places))
    return [_explained(each, model, above) for each in real]


def _has_inner(place: Place, places: list[Place]) -> bool:
    return any(len(each) > len(place) and each[: len(place)] == place for each in places)


def _explained(error: typing.Any, model: type[BaseModel], above: Place) -> Wrong:
    # pydantic's own mark for a key that is at fault itself.
    inner: Place = tuple(step for step in error["loc"] if step != "[key]")
    place = (*above, *inner)
    name = ".".join(map(str, place))
    if error["type"] == "extra_forbidden":
        return Wrong(place, f"unknown key `{name}`", meant(str(place[-1]), _keys_at(model, inner[:-1]), "keys"))
    if error["type"] == "missing":
        return Wrong(place, f"`{name}` is missing")
    if error["type"] in {"literal_error", "enum"}:
        known = re.findall(r"'([^']+)'", error["ctx"]["expected"])
        return Wrong(place, f"`{name}`: no such value", meant(str(error["input"]), known, "values"))
    message = _WORDS.get(error["type"]) or _ours(str(error["msg"]))
    return Wrong(place, f"`{name}`: {message}" if name else message)


def _ours(message: str) -> str:
    message = re.sub(r"^(Value error, |.* should (?=be |have |match ))", "", message)
    message = re.sub(r"^(?=be |have |match )", "must ", message)
    return f"{message[:1].lower()}{message[1:]}"


def meant(word: str, known: Iterable[str], what: str) -> str:
    """As `did_you_mean`, and it knows the words of Alertmanager."""
    names = list(known)
    ours = _SAME.get(word)
    if ours in names:
        return f"Alertmanager's `{word}` is `{ours}` here"
    return did_you_mean(word, names, what)


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that `model` knows below `place`."""
    for step in place:
        if step in model.model_fields:
            inner = next(_models(model.model_fields[str(step)].annotation), None)
            if inner is None:
                return []
            model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models inside `Mapping[str, Model]`, `tuple[Model, ...] | None` or whatever it is."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)
