"""How an endpoint is described, and the kinds of endpoint there are: cursor lists with reads by id, and settings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from auditor.adminapi.resourcetypes import Paging
from auditor.simulator.model import Group, Organization, Project, Provider
from auditor.simulator.paging import Limits, Page, cut
from auditor.simulator.query import Query
from auditor.simulator.refusals import not_configured, not_found

T = TypeVar("T")

Ids = Mapping[str, str]
"""Values of the placeholders of a path."""

MANAGEMENT = "api.management.read"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path."""

    kind: str
    """The name that RESOURCES gives the resource, where it has one."""
    path: str
    known: frozenset[str]
    """Parameters that may be sent, arrays without their brackets."""
    scope: str
    """Permission that a key needs."""
    answer: Callable[[Organization, Ids, Query], Page]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """A list with cursors, and the read by id below it."""

    kind: str
    path: str
    style: Paging
    limits: Limits
    source: Callable[[Organization, Ids, Query], Sequence[T]]
    """All items that the filters let through, in ascending order of creation."""
    scope: str = MANAGEMENT
    id_field: str = "id"
    order: str = ""
    """Default order of a list that has the parameter `order`; empty when it has not."""
    filters: tuple[str, ...] = ()
    """Parameters of the list beside the cursor, the limit and the order."""
    show: Callable[[T], object] = lambda item: item
    """What goes out for an item of the list."""
    readable: bool = True
    """Whether there is a read by id."""
    whole: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The query under which the list hides nothing: what it hides can still be read by id."""
    params: tuple[str, ...] = ()
    """Parameters of the read by id."""
    detail: Callable[[T, Query], object] = lambda item, query: item
    """What goes out for an item that is read by id."""

    def endpoints(self) -> Iterator[Endpoint]:
        """The list, and the read by id where there is one."""
        known = {"limit", "after", *self.filters} | ({"order"} if self.order else set())
        yield Endpoint(self.kind, self.path, frozenset(known), self.scope, self._list)
        if self.readable:
            yield Endpoint(self.kind, self.path + "/{id}", frozenset(self.params), self.scope, self._read)

    def _list(self, organization: Organization, ids: Ids, query: Query) -> Page:
        items = self.source(organization, ids, query)
        if self.order and query.choice("order", ("asc", "desc"), self.order) == "desc":
            items = items[::-1]
        return cut(items, query, style=self.style, limits=self.limits, id_of=self._id_of, show=self.show)

    def _read(self, organization: Organization, ids: Ids, query: Query) -> Page:
        for item in self.source(organization, ids, Query(self.whole)):
            if self._id_of(item) == ids["id"]:
                return Page(self.detail(item, query), (ids["id"],))
        raise not_found(self.kind, ids["id"])

    def _id_of(self, item: object) -> str:
        return str(getattr(item, self.id_field))


def setting(kind: str, path: str, read: Callable[[Organization, Ids], object | None]) -> Endpoint:
    """One object without an envelope; None is answered with 404."""

    def answer(organization: Organization, ids: Ids, query: Query) -> Page:
        value = read(organization, ids)
        if value is None:
            raise not_configured(kind.replace("_", " "))
        return Page(value, ())

    return Endpoint(kind, path, frozenset(), MANAGEMENT, answer)


def project_of(organization: Organization, ids: Ids) -> Project:
    """The project of the path, archived or not."""
    project = organization.projects.get(ids["project"])
    if project is None:
        raise not_found("project", ids["project"])
    return project


def group_of(organization: Organization, ids: Ids) -> Group:
    """The group of the path."""
    group = organization.groups.get(ids["group"])
    if group is None:
        raise not_found("group", ids["group"])
    return group


def provider_of(organization: Organization, ids: Ids) -> Provider:
    """The workload identity provider of the path."""
    provider = organization.providers.get(ids["provider"])
    if provider is None:
        raise not_found("workload_identity_provider", ids["provider"])
    return provider
