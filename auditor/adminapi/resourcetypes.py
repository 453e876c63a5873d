"""What there is to say of one kind of resource: where it is read, how it pages, which events announce its changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from auditor.adminapi.fields import Field


class Paging(StrEnum):
    """How the next page is asked for. The published description has these four, and single objects."""

    LAST_ITEM = "after = id of the last item"
    LAST_ID = "after = last_id of the body"
    NEXT = "after = next of the body"
    PAGE = "page = next_page of the body"
    SINGLE = "one object, no envelope"


class Tier(StrEnum):
    """How often a kind is read again: LIST every snapshot, FAN_OUT (a call a principal) less often."""

    LIST = "list"
    FAN_OUT = "fan-out"


@dataclass(frozen=True, slots=True)
class Announced:
    """How a change of one kind is announced."""

    families: tuple[str, ...] = ()
    """Types of events, or what they begin with when it ends with a dot. The event names the resource by its id."""
    principal: tuple[str, ...] = ()
    """Families that name the parent instead: a role assignment names the principal, and never the role."""
    certain: bool = True
    """Whether each change is announced, so that one without an event is strange."""
    silent: frozenset[str] = frozenset()
    """Fields whose changes no event announces, though those of others are announced."""

    @property
    def all(self) -> tuple[str, ...]:
        """Every family."""
        return self.families + self.principal


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind of resource."""

    name: str
    """As policies and reports name it: singular, snake case."""
    path: str
    """Below the base URL; `{project}` stands for the id of the parent of that kind."""
    paging: Paging
    fields: Mapping[str, Field]
    announced: Announced
    parent: str | None = None
    """Kind whose resources this one is read for, one walk each; None for the whole organization."""
    limit: int | None = None
    """Largest page the API allows."""
    limit_is_a_guess: bool = False
    """Whether the maximum is stated nowhere, so that a refusal of `limit` means: ask without it."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Query parameters that must be sent, or the list is silently shorter."""
    identity: str = "id"
    """Field of the body that identifies an item within its parents."""
    turned: str = ""
    """Value of `order` that turns the list around, where it has no cursor that can be made up; empty for none."""
    several: bool = False
    """Whether an identity may come several times with other contents: a role that is assigned from several sources."""
    tier: Tier = Tier.LIST
    never_empty: bool = False
    """Whether every organization has at least one, so that an empty list is a lie and no news."""
    unset_on_404: bool = False
    """Whether 404 on this singleton means that nothing is configured, so that there is no such resource."""
    skip_parents: Mapping[str, object] = field(default_factory=dict)
    """Parents (by field and value) that have no such collection: archived projects have no sub-resources."""
    unused: frozenset[str] = frozenset()
    """Keys of the body that are documented and that no policy has a use for, so that they are no news."""
