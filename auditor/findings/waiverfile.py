"""The file of waivers: who accepted which risk until when, in a strict shape, every fault with its line."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from auditor.entries import DAY, Begin, Ending, Entries, Entry, Kind
from auditor.errors import ConfigError, Fault, FaultyFiles, did_you_mean
from auditor.findings.matcher import Matcher
from auditor.findings.waivers import Waiver, pins_unknown_to
from auditor.inventory.schema import KINDS, is_open
from auditor.terms import Level

REASON_MAX = 2000
OWNER_MAX = 200
TICKET_MAX = 200
"""Characters."""


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _filled(values: list[str]) -> list[str]:
    if not all(value.strip() for value in values):
        raise ValueError("must not be empty")
    return values


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value.strip()


Texts = Annotated[list[str], BeforeValidator(_one_or_many), Field(min_length=1), AfterValidator(_filled)]


class _Match(Entry):
    """The conditions of one entry."""

    policy: Texts = Field(default_factory=list)
    organization: Texts = Field(default_factory=list)
    kind: Texts = Field(default_factory=list)
    resource: Texts = Field(default_factory=list)
    project: Texts = Field(default_factory=list)
    owner: Texts = Field(default_factory=list)
    level: Texts = Field(default_factory=list)

    @model_validator(mode="after")
    def _some(self) -> "_Match":
        if not self.model_fields_set:
            raise ValueError("must name something: a policy, a resource, a project, an owner")
        return self


class Written(Entry):
    """One entry of the file."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    match: _Match
    reason: Annotated[str, Field(max_length=REASON_MAX), AfterValidator(_said)]
    owner: Annotated[str, Field(max_length=OWNER_MAX), AfterValidator(_said)]
    on: Begin
    until: Ending
    ticket: Annotated[str, Field(max_length=TICKET_MAX), AfterValidator(str.strip)] = ""
    pinned: list[str] | dict[str, bool | int | float | str | list[str] | None] = Field(default_factory=list)


STORED = "w-"
"""How the ids of waivers of the store begin."""

_KIND = Kind(
    Written,
    one="a waiver",
    many="waivers",
    begin="- id: old-keys",
    words={
        "pinned": "must be a list of fields, or a mapping of fields to their values",
        "id": "must be lower case letters, digits and . _ -, at most 64",
        "match": "must be a mapping that names something: a policy, a resource, a project, an owner",
        **{f"match.{name}": "must be a text or a list of texts, none of them empty" for name in _Match.model_fields},
    },
)


def read(path: Path, organizations: Collection[str], longest: int) -> tuple[Waiver, ...]:
    """The waivers in `path`, none of which lasts more than `longest` seconds.

    Raises FaultyFiles with every fault at once; ConfigError when the file cannot be read.
    """
    entries = Entries(path, _KIND)
    misfits: list[Fault] = []
    found: dict[str, Waiver] = {}
    for index, written in entries.read():
        wrong = list(_misfits(written, organizations, longest))
        if written.id in found:
            wrong.append((("id",), f"the id `{written.id}` stands here twice", "give each its own"))
        misfits += (entries.fault((index, *place), message, hint) for place, message, hint in wrong)
        if not wrong:
            found[written.id] = waiver_of(written)
    faults = sorted((*entries.faults, *misfits), key=lambda fault: fault.line)
    if faults:
        raise FaultyFiles(faults)
    return tuple(found.values())


def single(values: Mapping[str, object], organizations: Collection[str], longest: int) -> Waiver:
    """The waiver that an entry without an id describes, written elsewhere than in the file.

    Raises ConfigError with everything that is wrong with it.
    """
    found = _single(values, organizations, longest)
    if isinstance(found, Waiver):
        return found
    raise ConfigError("; ".join(message for _, message, _ in found), hint=found[0][2])


def faults(values: Mapping[str, object], organizations: Collection[str], longest: int) -> dict[str, str]:
    """What is wrong with an entry without an id, by the key that holds it."""
    found = _single(values, organizations, longest)
    return {} if isinstance(found, Waiver) else {place[0]: message for place, message, _ in found}


def _single(values: Mapping[str, object], organizations: Collection[str], longest: int) -> "Waiver | Sequence[_Misfit]":
    try:
        written = Written.model_validate({**values, "id": "new"})
    except ValidationError as error:
        # Below a condition or a pin stands what pydantic adds of its own: types, and indexes of lists.
        wrong = {each["loc"][: 2 if each["loc"][0] == "match" else 1]: each["msg"] for each in error.errors()}
        return [_unfit(tuple(map(str, place)), text) for place, text in wrong.items()]
    if written.until.until <= written.on:
        return [(("until",), "`until` lies in the past, and must be later than now", "")]
    return list(_misfits(written, organizations, longest)) or waiver_of(written)


def _unfit(place: tuple[str, ...], text: str) -> "_Misfit":
    said = _KIND.words.get(".".join(place), text.removeprefix("Value error, "))
    return place, f"`{place[-1]}`: {said}", ""


def waiver_of(written: Written) -> Waiver:
    """The waiver that an entry without faults describes."""
    match = {name: tuple(values) for name, values in written.match.model_dump().items()}
    levels = tuple(Level(each) for each in written.match.level)
    plain = written.model_dump(exclude={"match", "pinned", "until"})
    pinned = written.pinned if isinstance(written.pinned, Mapping) else tuple(written.pinned)
    about = Matcher(**match | {"level": levels})
    return Waiver(match=about, pinned=pinned, until=written.until.until, **plain)


_Misfit = tuple[tuple[str, ...], str, str]


def _misfits(written: Written, organizations: Collection[str], longest: int) -> Iterable[_Misfit]:
    if written.id.startswith(STORED):
        yield ("id",), f"ids that begin with `{STORED}` are those of the store", ""
    if written.until.until <= written.on:
        yield ("until",), "`until` must be later than `on`", ""
    if written.until.written - written.on > longest:
        message = f"a waiver lasts {longest // DAY} days at most (`findings.max_waiver`)"
        yield ("until",), message, "let it end earlier, and renew it"
    closed = (
        ("organization", written.match.organization, organizations, "organizations"),
        ("kind", written.match.kind, KINDS, "kinds"),
        ("level", written.match.level, list(Level), "levels"),
    )
    for name, values, known, words in closed:
        for value in values:
            if value not in known:
                yield ("match", name), f"no {name} is named `{value}`", did_you_mean(value, known, words)
    kinds = [kind for kind in written.match.kind if kind in KINDS]
    for name in pins_unknown_to(kinds or [kind for kind in KINDS if not is_open(kind)], written.pinned):
        yield ("pinned",), f"no resource that it is about has a field `{name}`", "policies name the fields of a kind"
