"""Messages on their way: alerts routed into a store, a sink that remembers, and time that passes."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.gate import Gate
from auditor.alerts.lane import Terms
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.outgoing import gather
from auditor.alerts.route import Routing
from auditor.alerts.sink import Context, Receipt, Sink, SinkConfig
from auditor.findings.model import Finding
from auditor.routing import RoutingConfig
from auditor.store import held, outbox
from auditor.store.database import Store
from auditor.store.outbox import Entry
from auditor.terms import Level, State

ALERT = Alert("f0.open.1", AlertKind.OPENED, "acme", Level.HIGH, "Title", "Text", 1_767_225_600, "stale", "f0")
UNUSED = Finding(
    id="f0",
    organization="acme",
    policy="project-key-stale",
    kind="project_api_key",
    ids=("proj_1", "key_1"),
    name="ci-bot",
    level=Level.HIGH,
    state=State.OPEN,
    title="Title",
    message="Text",
    opened_at=1000,
    seen_at=1000,
    changed_at=1000,
    evidence={"project": {"id": "proj_1"}, "owner": "ada@example.com"},
)


class Channel:
    """A sink in the memory of the test; `trouble` is awaited before each message is taken."""

    def __init__(self, trouble: Callable[[Alert], Awaitable[None]] | None = None) -> None:
        self.got: list[Alert] = []
        self.tried: list[str] = []
        self.trouble = trouble

    async def send(self, _config: SinkConfig, alert: Alert, _context: Context) -> Receipt:
        self.tried.append(alert.id)
        if self.trouble:
            await self.trouble(alert)
        self.got.append(alert)
        return Receipt()

    @property
    def told(self) -> list[list[str]]:
        """Each message as the names of what it tells of."""
        return [[line.resource for line in alert.lines] or [alert.resource_name] for alert in self.got]


def routing(*routes: dict[str, Any], **more: Any) -> Routing:
    """Routing to the one sink `chat`."""
    raw = {"sinks": ["chat"], "routes": routes or [{"to": ["chat"]}], **more}
    return Routing(RoutingConfig.model_validate(raw))


def alert(name: str, **more: Any) -> Alert:
    """An alert that a finding `name` opened; `kind` and what else is to be different."""
    kind = more.get("kind", AlertKind.OPENED)
    made = replace(ALERT, id=f"{name}.{kind}.{more.get('at', ALERT.at)}", finding=name, resource_name=name)
    return replace(made, **more)


def put(store: Store, table: Routing, *alerts: Alert) -> None:
    """Route and queue alerts, in one transaction."""
    with store.transaction() as tx:
        routed = [(each, goes) for each in alerts for goes in table.destinations(each)]
        gather(tx, routed, int(held.now(tx)))


async def deliver(store: Store, channel: Channel, gate: Gate | None = None, terms: Terms | None = None) -> Delivered:
    """What is due goes out, by a process that knows nothing of earlier ones."""
    sink = Sink("chat", "channel", SinkConfig(), channel.send)
    terms = terms or Terms(storm_limit=1_000_000)
    return await Deliverer(store, {"chat": sink}, "owner", terms=terms, gate=gate).deliver_due()


def later(store: Store, seconds: float, *, aging: bool = True) -> None:
    """All that is stored happened so many seconds earlier: the clock of the database cannot be moved.

    Without `aging` messages keep the time of their writing, which another clock gave, and which that one moves on from.
    """
    columns = ("due_at", "flush_at", "settled_at", "lease_until", *(["created_at"] if aging else []))
    moved = ", ".join(f"{column} = {column} - {seconds}" for column in columns)
    with store.transaction() as tx:
        tx.execute(text(f"UPDATE outbox SET {moved}"))  # noqa: S608 - numbers and names of our own


def rows(store: Store, state: str | None = None) -> list[Entry]:
    """The messages in the store, oldest first."""
    with store.transaction() as tx:
        return outbox.listing(tx, state, limit=10_000)[::-1]


def waits(store: Store) -> Iterable[float]:
    """In how many seconds each message that waits is due."""
    with store.transaction() as tx:
        now = held.now(tx)
    return [round(each.message.due_at - now) for each in rows(store, "pending")]
