"""Which modifiers a comparison may have, which fields each of them fits, and which values it takes. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from auditor.adminapi.fields import Type
from auditor.errors import did_you_mean
from auditor.policy.comparison import OWN_MODIFIERS
from auditor.yamlfile import Place


class Complain(Protocol):
    """Is told of each fault: where below the file, what, and the next step."""

    def __call__(self, place: Place, message: str, hint: str = "") -> None: ...


TIME_PARTS: Mapping[str, tuple[int, int]] = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "week": (1, 53),
    "month": (1, 12),
    "year": (1970, 9999),
}
"""Parts of a time in UTC, with the least and the greatest number each of them can be; weeks are those of ISO 8601."""

_TEXTUAL = ("contains", "startswith", "endswith", "re", "cased")
_ORDERING = ("gt", "gte", "lt", "lte")
FLAGS = ("i", "ignorecase", "m", "multiline", "s", "dotall")
"""Flags of `re`, which stand after it and nowhere else."""

SIGMA_MODIFIERS = tuple(
    sorted((*_TEXTUAL, *_ORDERING, *FLAGS, *TIME_PARTS, "all", "cidr", "exists", "expand", "fieldref", "neq"))
)
"""Sigma's modifiers that run here; they mean what Sigma's specification says."""

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("base64", "base64offset"), "nothing in the Admin API is encoded so; compare with the text itself"),
    **dict.fromkeys(("wide", "utf16", "utf16be"), "the Admin API sends UTF-8 only; compare with the text itself"),
    "windash": "the Admin API shows no command lines; list the texts that are meant",
}
"""Sigma's modifiers for other logs, each with the reason why it would match nothing here."""

_AGES = ("older_than", "newer_than", "within")
_INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(
        ("older_than", "newer_than", "within"), "an event is judged when it happens; correlations have a span"
    ),
    "wider_than": "compare with `cidr`",
    "outside": "select it, and write `not` in the condition",
}
"""Modifiers of ours that other tools for Sigma's rules do not know, each with what to write in a rule over events."""

_FITTING: Mapping[str, frozenset[Type]] = {
    **dict.fromkeys((*_AGES, *TIME_PARTS), frozenset({Type.TIME})),
    **dict.fromkeys(("wider_than", "outside", "cidr", *_TEXTUAL), frozenset({Type.STRING, Type.STRINGS})),
    **dict.fromkeys(_ORDERING, frozenset({Type.INTEGER, Type.NUMBER, Type.TIME})),
}
"""Types that a modifier can compare; what is not listed fits every type."""

_PLAIN = frozenset({"all", "expand", "neq"})
"""Modifiers that leave the comparison what it is: the value must still be of the field's type."""


_ALIKE = (frozenset({Type.STRING, Type.STRINGS}), frozenset({Type.INTEGER, Type.NUMBER, Type.TIME}))
"""Types whose values can be equal."""


@dataclass(frozen=True, slots=True)
class Key:
    """`field|modifier|modifier` of a comparison, taken apart."""

    field: str
    modifiers: tuple[str, ...]

    @property
    def part(self) -> str:
        """The part of a time that is compared; empty for the whole."""
        return next((each for each in self.modifiers if each in TIME_PARTS), "")


def known_modifiers(*, own: bool) -> tuple[str, ...]:
    """Every modifier that may be written, with ours or without."""
    return SIGMA_MODIFIERS + (OWN_MODIFIERS if own else ())


def fitting(kind: Type, *, own: bool) -> tuple[str, ...]:
    """The modifiers that fit a field of type `kind`."""
    return tuple(
        each for each in known_modifiers(own=own) if kind is Type.ANY or kind in _FITTING.get(each, frozenset({kind}))
    )


def sound_modifiers(key: Key, place: Place, complain: Complain, *, own: bool) -> bool:
    """Whether each of them is a modifier that runs here; complains of the first that is none."""
    for each in key.modifiers:
        if each in REFUSED:
            complain(place, f"`{each}` is not supported", REFUSED[each])
            return False
        if each in FLAGS and "re" not in key.modifiers:
            complain(place, f"`{each}` is a flag of `re`", f"write `{key.field}|re|{each}`")
            return False
        if each in OWN_MODIFIERS and not own:
            complain(place, f"`{each}` is for state policies only", _INSTEAD[each])
            return False
        if each not in known_modifiers(own=own):
            complain(place, f"unknown modifier `{each}`", did_you_mean(each, known_modifiers(own=own), "modifiers"))
            return False
    return _in_order(key, place, complain)


def _in_order(key: Key, place: Place, complain: Complain) -> bool:
    """Whether the part of a time stands before the order by which it is compared."""
    after = [each for each in key.modifiers[key.modifiers.index(key.part) :] if each in _ORDERING] if key.part else []
    before = [each for each in key.modifiers if each in _ORDERING and each not in after] if key.part else []
    if before:
        complain(place, f"`{key.part}` stands after `{before[0]}`", f"write `{key.field}|{key.part}|{before[0]}`")
    return not before


def fits(key: Key, kind: Type, values: Sequence[object], place: Place, complain: Complain) -> bool:
    """Whether modifiers and values fit a field of type `kind`; complains of the first that does not."""
    for each in key.modifiers:
        if kind is not Type.ANY and kind not in _FITTING.get(each, frozenset({kind})):
            complain(place, f"`{each}` does not fit `{key.field}`, which is of type {kind}")
            return False
        wrong = [value for value in values if each in _TAKES and not _TAKES[each][0](value)]
        if wrong:
            complain(place, f"`{each}` takes {_TAKES[each][1]}, and not {wrong[0]!r}")
            return False
    plain = kind is not Type.ANY and not key.part and set(key.modifiers) <= _PLAIN
    never = [value for value in values if plain and not _of_type(kind, value)]
    if never:
        complain(place, f"`{key.field}` is of type {kind}, and never equals {never[0]!r}")
    return not never and _in_range(key, values, place, complain)


def comparable(one: Type, other: Type) -> bool:
    """Whether fields of these types can hold the same value."""
    return one is other or Type.ANY in {one, other} or any({one, other} <= group for group in _ALIKE)


def _in_range(key: Key, values: Sequence[object], place: Place, complain: Complain) -> bool:
    if not key.part:
        return True
    least, most = TIME_PARTS[key.part]
    outside = [value for value in values if not (isinstance(value, int) and least <= value <= most)]
    if outside:
        complain(place, f"no time has the {key.part} {outside[0]!r}", f"it is a whole number from {least} to {most}")
    return not outside


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


_TAKES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys((*_TEXTUAL, *FLAGS, "outside"), (_is_text, "a text")),
    **dict.fromkeys((*_ORDERING, *TIME_PARTS), (_is_number, "a number")),
    "cidr": (_is_text, "a network like 192.0.2.0/24"),
    "fieldref": (_is_text, "the name of another field"),
    "exists": (_is_truth, "`true` or `false`"),
}


def _of_type(kind: Type, value: object) -> bool:
    if value is None:
        return True
    wanted: Mapping[Type, tuple[type, ...]] = {
        Type.BOOLEAN: (bool,),
        Type.INTEGER: (int,),
        Type.TIME: (int,),
        Type.NUMBER: (int, float),
    }
    if kind in wanted:
        return isinstance(value, wanted[kind]) and (kind is Type.BOOLEAN or not isinstance(value, bool))
    return isinstance(value, str | int) and not isinstance(value, bool)
