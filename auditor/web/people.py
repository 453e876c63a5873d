"""Who may come to the page, who may decide there, and who hears of it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

Users = Callable[[], Mapping[str, str]]
"""Hashes of passwords by name, as they are in force now."""
Heard = Callable[[str], None]


def _nobody(result: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class People:
    """The people of the page; its functions are asked anew for each request, because the configuration may change."""

    users: Users = dict
    deciders: Callable[[], Collection[str]] = tuple
    """Names of those who may accept risks, and end waivers."""
    signed_in: Heard = _nobody
    """Hears what came of each password that was looked at."""
    decided: Heard = _nobody
    """Hears what came of each form."""
    closed: bool = field(init=False)
    """Whether people were asked from the beginning: users that vanish later open the page to nobody."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "closed", bool(self.users()))

    @property
    def asked(self) -> bool:
        """Whether whoever comes is asked who they are."""
        return self.closed or bool(self.users())

    def decides(self, name: str) -> bool:
        """Whether `name`, which somebody signed in with, may accept risks."""
        return bool(name) and name in self.deciders()


def name_of(request: Request) -> str:
    """The name with which whoever asks signed in; empty where nobody is asked."""
    user = request.scope.get("user")
    return user.display_name if user else ""
