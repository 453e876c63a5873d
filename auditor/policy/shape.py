"""From a document to the model of a policy file, or to every fault in its shape. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from auditor.errors import did_you_mean
from auditor.policy.files import WHY, CorrelationBody, ExampleFile, PolicyFile
from auditor.policy.mending import HANGS_ON, mended, place_of, told_place
from auditor.policy.modifiers import Complain
from auditor.yamlfile import Place

File = TypeVar("File", bound=PolicyFile)

_BELOW: Mapping[str, type[BaseModel]] = {"examples": ExampleFile, "correlation": CorrelationBody}
"""What stands below a key that has keys of its own."""
_LONGEST_WORD = 100
"""Characters of a word up to which it may be a misspelt one."""


@dataclass(frozen=True, slots=True)
class Shaped(Generic[File]):
    """A document as its model sees it."""

    file: File | None
    """None when too little of it is sound to look any further."""
    value: Mapping[str, object]
    """The document with something sound in the place of what cannot be used."""
    places: frozenset[Place] = frozenset()
    """What cannot be used, and what hangs on it: nothing of that is a fault of its own."""

    @property
    def spoilt(self) -> frozenset[str]:
        """Keys whose values cannot be used, or not all of them: nothing that hangs on them is missing."""
        return frozenset(str(place[0]) for place in self.places)

    def tells(self, place: Place) -> bool:
        """Whether a fault at a place was told as one of the shape."""
        # That a control is none has nothing to do with how strongly it is spoken for.
        return any(place[: len(each)] == each for each in self.places if each[0] != "controls")


def shaped(model: type[File], value: Mapping[str, object], name: str, complain: Complain) -> Shaped[File]:
    """`value` as a `model`; after complaining, what is sound of it, so that all other faults are told as well.

    `name` stands in for a name that cannot be used.
    """
    try:
        return Shaped(model.model_validate(value), value)
    except ValidationError as error:
        faults = _faults_of(error)
        for fault in faults:
            _misshapen(fault, model, value, complain)
    spoilt = frozenset(told_place(fault["loc"]) for fault in faults)
    places = spoilt | {each for place in spoilt for each in HANGS_ON.get(place, ())}
    for found in (spoilt, frozenset(place[:1] for place in spoilt)):
        sound = mended(value, found, name)
        try:
            return Shaped(model.model_validate(sound), sound, places)
        except ValidationError:
            continue
    return Shaped(None, value, places)


def checked(model: type[BaseModel], value: object, place: Place, complain: Complain) -> Any:
    """`value`, which stands at `place`, as a `model`; None after complaining."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for fault in _faults_of(error):
            _misshapen({**fault, "loc": (*place, *fault["loc"])}, model, _nested(value, place), complain)
        return None


def _nested(value: object, place: Place) -> object:
    for step in reversed(place):
        value = {step: value}
    return value


def _faults_of(error: ValidationError) -> list[Any]:
    """What pydantic found, without the values: a file may hold what no message should repeat."""
    return error.errors(include_url=False, include_input=False, include_context=False)


def _misshapen(fault: Any, model: type[BaseModel], value: object, complain: Complain) -> None:
    """Tell one fault that pydantic found in `value`."""
    place = place_of(fault["loc"])
    name = ".".join(str(step) for step in place)
    if fault["type"] == "missing":
        complain(place[:-1], f"`{name}` is missing", WHY.get(name, ""))
    elif fault["type"] == "extra_forbidden":
        complain(place, f"unknown key `{name}`", _meant_key(str(place[-1]), place, model))
    else:
        message = fault["msg"].removeprefix("Value error, ").replace("dictionary", "mapping")
        word = place[-1] if len(place) < len(fault["loc"]) else _at(value, place)
        place = place[:3] if place[:1] == ("controls",) else place
        complain(place, f"`{name}`: {message[:1].lower()}{message[1:]}", _meant_word(word, fault))


def _meant_key(key: str, place: Place, model: type[BaseModel]) -> str:
    inner = _BELOW.get(str(place[0]), model) if len(place) > 1 else model
    known = [each.alias or name for name, each in inner.model_fields.items()]
    hint = did_you_mean(key, known, "keys") if len(key) <= _LONGEST_WORD else ""
    # What all the keys are is told of the file only: there it is not said elsewhere.
    return hint if len(place) == 1 or hint.startswith("did") else ""


def _meant_word(word: object, fault: Any) -> str:
    """The word that was probably meant, of those that pydantic names."""
    if fault["type"] not in {"literal_error", "enum"} or not isinstance(word, str) or len(word) > _LONGEST_WORD:
        return ""
    hint = did_you_mean(word, re.findall(r"'([^']+)'", fault["msg"]), "words")
    return hint if hint.startswith("did") else ""


def _at(value: object, place: Place) -> object:
    for step in place:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return value
