"""Filters of the audit-log list: window of time, types, actors, targets, and which of the two streams."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from auditor.simulator.auditlog import Event, is_tenant_scoped
from auditor.simulator.endpoints import Ids
from auditor.simulator.model import Organization
from auditor.simulator.query import Query
from auditor.simulator.refusals import bad_value

_WINDOW = ("effective_at[gt]", "effective_at[gte]", "effective_at[lt]", "effective_at[lte]")
FILTERS = (
    *_WINDOW,
    "event_types",
    "project_ids",
    "actor_ids",
    "actor_emails",
    "resource_ids",
    "tenant_only",
    "before",
)
_END_OF_TIME = 2**53


def events(organization: Organization, ids: Ids, query: Query) -> Sequence[Event]:
    """What the filters let through, newest first, as the official example of the list shows it."""
    tenant = query.flag("tenant_only")
    if tenant and (strange := [kind for kind in query.texts("event_types") if not is_tenant_scoped(kind)]):
        raise bad_value("event_types", f"with tenant_only every type must be tenant-scoped, but got {strange}.")
    gt, gte, lt, lte = (query.whole(name, 0, _END_OF_TIME) for name in _WINDOW)
    since = max(0 if gt is None else gt + 1, gte or 0)
    before = min(_END_OF_TIME if lt is None else lt, _END_OF_TIME if lte is None else lte + 1)
    window: Iterable[Event] = reversed(organization.log.between(since, before))
    for test in _tests(query):
        window = filter(test, window)
    return [event for event in window if event.tenant is tenant]


def _tests(query: Query) -> Iterator[Callable[[Event], bool]]:
    """One test for each filter that was sent: few are, and a window may hold many events."""
    if types := query.texts("event_types"):
        yield lambda event: event.type in types
    if projects := query.texts("project_ids"):
        yield lambda event: event.project_id in projects
    if emails := query.texts("actor_emails"):
        yield lambda event: event.actor_email in emails
    if actors := query.texts("actor_ids"):
        yield lambda event: not event.actor_ids.isdisjoint(actors)
    if targets := query.texts("resource_ids"):
        yield lambda event: not event.resource_ids.isdisjoint(targets)
