"""What the sections of auditor.yaml are made of."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from auditor import clock

Seconds = Annotated[int, BeforeValidator(clock.duration)]


def one_or_many(value: object) -> object:
    """A list of the one text that stands where several may."""
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
"""Names, or one alone without brackets."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("no such time zone; use a name like Europe/Berlin or UTC") from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]


class Section(BaseModel):
    """A mapping of auditor.yaml: unknown keys refused, values never shown in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
