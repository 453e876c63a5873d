"""From a document to the model of a policy file, or to every fault in its shape. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from auditor.errors import did_you_mean
from auditor.policy.files import WHY, PolicyFile
from auditor.policy.modifiers import Complain
from auditor.yamlfile import Place

File = TypeVar("File", bound=PolicyFile)

_STAND_INS: Mapping[str, object] = {"title": "?", "level": "medium", "description": "?", "remediation": "?"}
_NEEDED = frozenset({"resource", "logsource", "detection", "correlation", "params"})
"""Without these nothing else in a file can be looked at."""


@dataclass(frozen=True, slots=True)
class Shaped(Generic[File]):
    """A document as its model sees it."""

    file: File | None
    """None when too little of it is sound to look any further."""
    value: Mapping[str, object]
    """The document with something sound in the place of what cannot be used."""
    spoilt: frozenset[str] = frozenset()
    """Keys whose values cannot be used: nothing that hangs on them is missing."""


def shaped(model: type[File], value: Mapping[str, object], name: str, complain: Complain) -> Shaped[File]:
    """`value` as a `model`; after complaining, what is sound of it, so that all other faults are told as well.

    `name` stands in for a name that cannot be used.
    """
    try:
        return Shaped(model.model_validate(value), value)
    except ValidationError as error:
        known = tuple(each.alias or name for name, each in model.model_fields.items())
        faults = _faults_of(error)
        for fault in faults:
            _misshapen(fault, known, complain)
    spoilt = frozenset(str(fault["loc"][0]) for fault in faults)
    stand_ins = {key: each for key, each in {**_STAND_INS, "name": name}.items() if key in spoilt}
    mended = {key: each for key, each in value.items() if key not in spoilt} | stand_ins
    if spoilt & _NEEDED:
        return Shaped(None, mended, spoilt)
    try:
        return Shaped(model.model_validate(mended), mended, spoilt)
    except ValidationError:
        return Shaped(None, mended, spoilt)


def checked(model: type[BaseModel], value: object, place: Place, complain: Complain) -> Any:
    """`value`, which stands at `place`, as a `model`; None after complaining."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for fault in _faults_of(error):
            _misshapen({**fault, "loc": (*place, *fault["loc"])}, (), complain)
        return None


def _faults_of(error: ValidationError) -> list[Any]:
    """What pydantic found, without the values: a file may hold what no message should repeat."""
    return error.errors(include_url=False, include_input=False, include_context=False)


def _misshapen(fault: Any, known: tuple[str, ...], complain: Complain) -> None:
    """Tell one fault that pydantic found; `known` are the keys that a file may have."""
    # A step like `[key]` is pydantic's own, and stands in no file.
    place: Place = tuple(step for step in fault["loc"] if "[" not in str(step))
    name = ".".join(str(step) for step in place)
    if fault["type"] == "missing":
        complain(place[:-1], f"`{name}` is missing", WHY.get(name, ""))
    elif fault["type"] == "extra_forbidden":
        hint = did_you_mean(str(place[-1]), known, "keys") if len(place) == 1 else ""
        complain(place, f"unknown key `{name}`", hint)
    elif place[:1] == ("controls",):
        complain(place[:3], f"`{name}`: {fault['msg'][:1].lower()}{fault['msg'][1:]}")
    else:
        message = fault["msg"].removeprefix("Value error, ").replace("dictionary", "mapping")
        complain(place, f"`{name}`: {message[:1].lower()}{message[1:]}")
