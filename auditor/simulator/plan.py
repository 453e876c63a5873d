"""How big a simulated organization is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Size(StrEnum):
    """Small is one to look at, medium one to work with, large one to measure with."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts for one size."""

    users: int
    owners: int
    groups: int
    invites: int
    admin_keys: int
    projects: int
    """Active ones."""
    archived: int
    project_users: int
    """At most so many direct members in a project."""
    keys: int
    """In each project; the totals are 30, 5,000 and 50,000."""
    active_people: int
    """Who sign in on a working day, at most."""


PLANS: Mapping[Size, Plan] = {
    Size.SMALL: Plan(24, 4, 4, 6, 5, 6, 2, 5, 5, 8),
    Size.MEDIUM: Plan(2_000, 8, 40, 60, 12, 200, 20, 8, 25, 60),
    Size.LARGE: Plan(20_000, 12, 200, 300, 30, 2_000, 100, 8, 25, 200),
}
