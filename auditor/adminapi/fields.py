"""What policies may name of a resource: fields with their types and where they are in the body."""

from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """Type of a field; `TIME` is whole Unix seconds, `STRINGS` a list of strings, `ANY` whatever the API sends."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    STRINGS = "strings"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind of resource."""

    type: Type
    path: str = ""
    """Dotted path in the body the API sends; empty when it equals the field's name."""
    absent_is_unknown: bool = False
    """Whether an absent key says nothing, because older servers did not send it. Null always means null."""
    volatile: bool = False
    """Whether it moves all the time by itself (`last_used_at`), so that it is no change of the resource."""


STRING = Field(Type.STRING)
INTEGER = Field(Type.INTEGER)
NUMBER = Field(Type.NUMBER)
BOOLEAN = Field(Type.BOOLEAN)
TIME = Field(Type.TIME)
STRINGS = Field(Type.STRINGS)
ANY = Field(Type.ANY)
LAST_USE = Field(Type.TIME, volatile=True)
