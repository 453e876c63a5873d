"""What audit events say of one thing, reduced to the latest word. The order in which they are told does not matter."""

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.inventory.model import Fields, Record

Project = tuple[str | None, str | None]
"""Id and name of a project."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One event says that something has a value."""

    at: int
    """When it took effect, in Unix seconds."""
    event: str
    value: object
    strong: bool = True
    """Whether it outweighs others of the same second: what a new thing begins with is weaker than a change of it."""


class Latest:
    """The latest of many claims. Two of one second that differ are no answer, because nothing orders them."""

    def __init__(self) -> None:
        self._key = (-1, False)
        self._values: list[object] = []
        self._event = ""

    def add(self, claim: Claim) -> None:
        """One more claim, older or newer than those before."""
        key = (claim.at, claim.strong)
        if key < self._key:
            return
        if key > self._key:
            self._key, self._values, self._event = key, [], ""
        if claim.value not in self._values:
            self._values.append(claim.value)
        self._event = max(self._event, claim.event)

    @property
    def told(self) -> bool:
        """Whether there was any claim."""
        return bool(self._values)

    @property
    def torn(self) -> bool:
        """Whether the latest second holds claims that differ."""
        return len(self._values) > 1

    @property
    def value(self) -> object:
        """The value of the latest claims; None without any, or when they differ."""
        return self._values[0] if len(self._values) == 1 else None

    @property
    def at(self) -> int:
        """Unix seconds of the latest claims."""
        return self._key[0]

    @property
    def event(self) -> str:
        """Id of the event behind the latest claims; of several the greatest, so that it is the same in every order."""
        return self._event


def time_of(event: Record) -> int:
    """When an event took effect; 0, the oldest of all, when it does not say."""
    at = event.fields.get("effective_at")
    return at if isinstance(at, int) else 0


def claim(event: Record, value: object, *, strong: bool = True) -> Claim:
    """What `event` says."""
    return Claim(time_of(event), event.id, value, strong)


def target(fields: Fields) -> str | None:
    """Id of what the event is about."""
    key = fields.get("payload.id")
    return key if isinstance(key, str) and key else None


def strings(value: object) -> list[str]:
    """The texts of a list; a text alone is a list of one, as the description of some fields has it."""
    if isinstance(value, str):
        return [value] if value else []
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def by_key(fields: Fields) -> bool:
    """Whether an API key acted: such an event carries the default project, whatever it concerns."""
    return fields.get("actor.type") == "api_key"


def project_of(fields: Fields) -> Project | None:
    """The project that an event carries, None when it is tied to none."""
    found = tuple(fields.get(f"project.{part}") for part in ("id", "name"))
    identity, name = (each if isinstance(each, str) else None for each in found)
    return (identity, name) if identity else None


def present(fields: Fields, *names: str) -> Iterator[tuple[str, object]]:
    """Those of `names` that the payload holds, with their values."""
    return ((name, fields[f"payload.{name}"]) for name in names if f"payload.{name}" in fields)
