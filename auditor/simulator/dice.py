"""Chance that a seed decides: the same seed gives the same world, and one area's throws do not move another's."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

DAY = 86_400
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Dice:
    """The throws of one area of one world, relative to `now` in Unix seconds."""

    def __init__(self, seed: int, area: str, now: int) -> None:
        self._random = random.Random(f"{seed}/{area}")
        self._now = now

    def ident(self, prefix: str, length: int = 20) -> str:
        """A new id: `prefix` and random letters, as the real API's ids look."""
        return prefix + "".join(self._random.choices(_LETTERS, k=length))

    def ago(self, newest: int, oldest: int) -> int:
        """A time between `newest` and `oldest` days before now."""
        return self._now - self._random.randint(newest * DAY, oldest * DAY)

    def ahead(self, nearest: int, farthest: int) -> int:
        """A time between `nearest` and `farthest` days after now."""
        return self._now + self._random.randint(nearest * DAY, farthest * DAY)

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self._random.randint(low, high)

    def happens(self, chance: float) -> bool:
        """True with `chance` of 0 to 1."""
        return self._random.random() < chance

    def pick(self, choices: Sequence[T]) -> T:
        """One of `choices`."""
        return choices[self._random.randrange(len(choices))]

    def some(self, choices: Sequence[T], count: int) -> list[T]:
        """`count` different ones of `choices`, or all when there are fewer."""
        return self._random.sample(choices, min(count, len(choices)))


def masked(prefix: str, dice: Dice) -> str:
    """What is shown of a secret: its first and last letters."""
    return f"{prefix}{'*' * 8}{dice.ident('', 4)}"
