"""What people vouch for where no event and no endpoint can show it: a strict file of statements, each with an end."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from auditor import clock, yamlfile
from auditor.errors import ConfigError, Fault, FaultyFiles, did_you_mean
from auditor.inventory.settingtypes import ATTESTABLE, SETTING_TYPES
from auditor.yamlfile import Document, Place

LONGEST = 400
"""Days that an attestation may hold; a statement that nobody renews proves nothing."""
MAX_BYTES = 1_000_000
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Attestation:
    """One person's word for one setting. Times are Unix seconds."""

    setting: str
    value: object
    by: str
    on: int
    until: int
    """It holds until here, and no longer."""
    evidence: str
    scope: str = ""
    """The organization it is about, by its name in the configuration; empty for every one."""


def _start(value: object) -> int:
    return _seconds(value, 0)


def _end(value: object) -> int:
    return _seconds(value, DAY)


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


class _Written(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    setting: str
    value: bool | int | str | list[str]
    by: str = Field(min_length=1, max_length=200)
    on: Annotated[int, BeforeValidator(_start)]
    until: Annotated[int, BeforeValidator(_end)]
    evidence: str = Field(min_length=1, max_length=2000)
    scope: str = ""

    @model_validator(mode="after")
    def _ends(self) -> "_Written":
        if self.until <= self.on:
            raise ValueError("`until` must be later than `on`")
        if self.until - self.on > (LONGEST + 1) * DAY:
            raise ValueError(f"an attestation holds for {LONGEST} days at most: let it end earlier, and renew it")
        return self


def read(path: Path, organizations: Collection[str]) -> tuple[Attestation, ...]:
    """The attestations in `path`; a scope must name one of `organizations`.

    Raises FaultyFiles with every fault at once; ConfigError when the file cannot be read.
    """
    documents = yamlfile.load(_text(path), str(path))
    if len(documents) != 1 or not isinstance(documents[0].value, list):
        raise FaultyFiles(
            [Fault(str(path), 1, 1, "an attestations file is one list", "start with `- setting: sso_enforced`")]
        )
    document = documents[0]
    faults: list[Fault] = []
    found = []
    for index, entry in enumerate(documents[0].value):
        written = _checked(entry, (index,), document, faults)
        if written:
            faults += _misfits(written, (index,), document, organizations)
            found.append(Attestation(**written.model_dump()))
    faults = faults or list(_repeated(found, document))
    if faults:
        raise FaultyFiles(faults)
    return tuple(found)


def _text(path: Path) -> str:
    hint = "`attestations` in the configuration names it, relative to that file"
    try:
        with path.open("rb") as file:
            # One byte more than fits shows that there is more, however large the file is.
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise FaultyFiles([Fault(str(path), 0, 0, f"more than {MAX_BYTES:,} bytes", "attest less, or renew less")])
        return data.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the attestations {path}: {error.strerror}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", hint="save the file as UTF-8") from error


def _checked(entry: object, place: Place, document: Document, faults: list[Fault]) -> _Written | None:
    if not isinstance(entry, Mapping):
        faults.append(_fault(document, place, "an attestation is a mapping", "start with `- setting: sso_enforced`"))
        return None
    try:
        return _Written.model_validate(entry)
    except ValidationError as error:
        told: dict[Place, Fault] = {}
        for each in error.errors():
            # A value that fits none of several types is one fault, whatever pydantic says of each of them.
            where = (*place, *each["loc"][:1])
            told.setdefault(where, _explained(document, where, each))
        faults.extend(told.values())
        return None


def _explained(document: Document, place: Place, error: Any) -> Fault:
    name = str(place[-1])
    if error["type"] == "missing":
        return _fault(document, place[:-1], f"`{name}` is missing", "")
    if error["type"] == "extra_forbidden":
        return _fault(document, place, f"unknown key `{name}`", did_you_mean(name, _Written.model_fields, "keys"))
    message = str(error["msg"]).removeprefix("Value error, ")
    if name == "value":
        message = "must be true, false, a whole number, a text or a list of texts"
    subject = f"`{name}` " if len(place) > 1 else ""
    return _fault(document, place, f"{subject}{message[:1].lower()}{message[1:]}", "")


def _misfits(written: _Written, place: Place, document: Document, organizations: Collection[str]) -> Iterable[Fault]:
    if written.setting not in ATTESTABLE:
        known = SETTING_TYPES.get(written.setting)
        message = f"`{written.setting}` {'cannot be attested' if known else 'is no setting'}"
        hint = did_you_mean(written.setting, ATTESTABLE, "settings that can be")
        yield _fault(document, (*place, "setting"), message, hint)
    elif not SETTING_TYPES[written.setting].takes(written.value):
        kind = SETTING_TYPES[written.setting]
        wanted = " or ".join(kind.words) if kind.words else str(kind.field.type)
        yield _fault(document, (*place, "value"), f"`value` of {written.setting} must be {wanted}", "")
    if written.scope and written.scope not in organizations:
        hint = did_you_mean(written.scope, organizations, "organizations")
        yield _fault(document, (*place, "scope"), f"no organization is named `{written.scope}`", hint)


def _repeated(found: Sequence[Attestation], document: Document) -> Iterable[Fault]:
    """Two statements about one setting at one time: nobody could say which holds."""
    for index, each in enumerate(found):
        for other in found[:index]:
            same = each.setting == other.setting and (each.scope == other.scope or not (each.scope and other.scope))
            if same and each.on < other.until and other.on < each.until:
                message = f"`{each.setting}` is attested twice for one time"
                yield _fault(document, (index, "setting"), message, "let one end before the other begins")
                break


def _fault(document: Document, place: Place, message: str, hint: str) -> Fault:
    line, column = document.where(place)
    return Fault(document.file, line, column, message, hint)
