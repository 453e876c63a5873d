"""Rules from a YAML file, every fault of it with its place."""

from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from auditor.errors import ConfigError, Fault, FaultyFiles
from auditor.simulator.faults.rules import FAULT_WORDS, Plan
from auditor.yamlfile import Document, Place, load


def read(path: Path) -> Plan:
    """The plan in `path`. Raises FaultyFiles with all that is wrong in it, ConfigError when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the faults in {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", hint="save the file as UTF-8") from error
    return parse(text, str(path))


def parse(text: str, file: str) -> Plan:
    """The plan in `text`; `file` is its name, for messages."""
    documents = load(text, file)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise FaultyFiles([Fault(file, 1, 1, "faults are one YAML mapping", "start with `rules:`")])
    try:
        return Plan.model_validate(documents[0].value)
    except ValidationError as error:
        raise FaultyFiles([_fault(documents[0], each) for each in error.errors()]) from error


def _fault(document: Document, error: ErrorDetails) -> Fault:
    # Behind `do` stands the word of the fault, which is no step of the file.
    loc = error["loc"]
    place: Place = tuple(
        step for at, step in enumerate(loc) if not (step in FAULT_WORDS and at and loc[at - 1] == "do")
    )
    line, column = document.where(place)
    name = ".".join(str(step) for step in place)
    message = "unknown key" if error["type"] == "extra_forbidden" else str(error["msg"])
    return Fault(document.file, line, column, f"`{name}`: {message[:1].lower()}{message[1:]}")
