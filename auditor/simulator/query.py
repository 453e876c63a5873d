"""The query of one request: only parameters that the endpoint documents, each with a value it can have."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from auditor.simulator.refusals import Refusal, bad_value


@dataclass(frozen=True, slots=True)
class Query:
    """Values by name; `name[]` and `name` are one name, because the published texts write arrays both ways."""

    values: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str | None:
        """The last value of `name`, None when it was not sent."""
        values = self.values.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> Collection[str]:
        """All values of an array; empty when it was not sent."""
        return self.values.get(name, ())

    def flag(self, name: str) -> bool:
        """A boolean, false when it was not sent."""
        return self.choice(name, ("true", "false"), "false") == "true"

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of `choices`."""
        value = self.text(name)
        if value is None:
            return default
        if value not in choices:
            raise bad_value(name, f"'{value}' is not one of {sorted(choices)}.")
        return value

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number of `low` to `high`, None when it was not sent."""
        value = self.text(name)
        if value is None:
            return None
        try:
            number = int(value)
        except ValueError:
            raise bad_value(name, f"expected an integer, but got '{value}' instead.", "invalid_type") from None
        if number > high:
            message = f"integer above maximum value. Expected a value <= {high}, but got {number} instead."
            raise bad_value(name, message, "integer_above_max_value")
        if number < low:
            message = f"integer below minimum value. Expected a value >= {low}, but got {number} instead."
            raise bad_value(name, message, "integer_below_min_value")
        return number


def parse(pairs: Sequence[tuple[str, str]], known: Collection[str]) -> Query:
    """The query of `pairs`. A parameter that is not `known` is refused: a client's typo must not shorten a list."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        plain = name.removesuffix("[]")
        if plain not in known:
            raise Refusal(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        values.setdefault(plain, []).append(value)
    return Query(values)
