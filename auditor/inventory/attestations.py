"""What people vouch for where no event and no endpoint can show it: a strict file of statements, each with an end."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, model_validator

from auditor.entries import DAY, Begin, End, Entries, Entry, Kind
from auditor.errors import Fault, FaultyFiles, did_you_mean
from auditor.inventory.settingtypes import ATTESTABLE, SETTING_TYPES

LONGEST = 400
"""Days that an attestation may hold; a statement that nobody renews proves nothing."""


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


class _Written(Entry):
    """One entry of the file."""

    setting: str
    value: bool | int | str | list[str]
    by: str = Field(min_length=1, max_length=200)
    on: Begin
    until: End
    evidence: str = Field(min_length=1, max_length=2000)
    scope: str = ""

    @model_validator(mode="after")
    def _ends(self) -> "_Written":
        if self.until <= self.on:
            raise ValueError("`until` must be later than `on`")
        if self.until - self.on > (LONGEST + 1) * DAY:
            raise ValueError(f"an attestation holds for {LONGEST} days at most: let it end earlier, and renew it")
        return self


_KIND = Kind(
    _Written,
    one="an attestation",
    many="attestations",
    begin="- setting: sso_enforced",
    words={"value": "must be true, false, a whole number, a text or a list of texts"},
)


def read(path: Path, organizations: Collection[str]) -> tuple[Attestation, ...]:
    """The attestations in `path`; a scope must name one of `organizations`.

    Raises FaultyFiles with every fault at once; ConfigError when the file cannot be read.
    """
    entries = Entries(path, _KIND)
    misfits: list[Fault] = []
    found = []
    for index, written in entries.read():
        misfits += _misfits(written, index, entries, organizations)
        found.append(Attestation(**written.model_dump()))
    faults = sorted((*entries.faults, *misfits), key=lambda fault: fault.line) or list(_repeated(found, entries))
    if faults:
        raise FaultyFiles(faults)
    return tuple(found)


def _misfits(
    written: _Written, index: int, entries: Entries[_Written], organizations: Collection[str]
) -> Iterable[Fault]:
    if written.setting not in ATTESTABLE:
        known = SETTING_TYPES.get(written.setting)
        message = f"`{written.setting}` {'cannot be attested' if known else 'is no setting'}"
        hint = did_you_mean(written.setting, ATTESTABLE, "settings that can be")
        yield entries.fault((index, "setting"), message, hint)
    elif not SETTING_TYPES[written.setting].takes(written.value):
        kind = SETTING_TYPES[written.setting]
        wanted = " or ".join(kind.words) if kind.words else str(kind.field.type)
        yield entries.fault((index, "value"), f"`value` of {written.setting} must be {wanted}")
    if written.scope and written.scope not in organizations:
        hint = did_you_mean(written.scope, organizations, "organizations")
        yield entries.fault((index, "scope"), f"no organization is named `{written.scope}`", hint)


def _repeated(found: Sequence[Attestation], entries: Entries[_Written]) -> Iterable[Fault]:
    """Two statements about one setting at one time: nobody could say which holds."""
    for index, each in enumerate(found):
        for other in found[:index]:
            same = each.setting == other.setting and (each.scope == other.scope or not (each.scope and other.scope))
            if same and each.on < other.until and other.on < each.until:
                message = f"`{each.setting}` is attested twice for one time"
                yield entries.fault((index, "setting"), message, "let one end before the other begins")
                break
