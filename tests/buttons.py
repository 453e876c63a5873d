"""A store with findings, a fake Slack whose buttons work, and somebody who listens to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from commands import eventually
from slack import Server, by_token

from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.registry import build
from auditor.alerts.sinks.slack import Config
from auditor.findings.model import Finding, identity
from auditor.jobs.decisions import Rules
from auditor.jobs.slackdesk import Desk
from auditor.jobs.slacklisten import Listener, Watch
from auditor.simulator.slack_interactive import Interactive
from auditor.simulator.slack_workspace import APP_TOKEN, FakeSlack, Posted
from auditor.store import findings, organizations, waivers
from auditor.store.database import Store
from auditor.terms import Level, State

DAY = 86_400
CHANNEL = "C00000001"
ADA, BO, EVE = "U0000000A", "U0000000B", "U0000000E"
"""Ada may accept risks, Bo is a member like others, Eve comes from another workspace."""
LONGEST = 90 * DAY


def settings(address: str, **more: object) -> dict[str, object]:
    """Settings of a sink with buttons, whose only decider is Ada."""
    return by_token(address, **{"app_token": APP_TOKEN, "deciders": ["Ada@example.com"], "timeout": 2} | more)


def config_of(raw: dict[str, object]) -> Config:
    config = build("security", raw).config
    assert isinstance(config, Config)
    return config


def finding(id_: str = "key_1", **more: Any) -> Finding:
    """An open finding of the organization `acme`."""
    ids = ("proj_1", id_)
    made = Finding(
        id=identity("acme", "project-key-stale", "project_api_key", ids),
        organization="acme",
        policy="project-key-stale",
        kind="project_api_key",
        ids=ids,
        name="ci-bot",
        level=Level.HIGH,
        state=State.OPEN,
        title="Project API key unused for 90 days",
        message="ci-bot: last used 91 days ago",
        opened_at=1_767_225_600,
        seen_at=1_767_225_600,
        changed_at=1_767_225_600,
    )
    return replace(made, **more)


def keep(store: Store, *found: Finding) -> None:
    with store.transaction() as tx:
        organizations.hold(tx, "acme")
        findings.save(tx, found)


def stored(store: Store, found: Finding) -> Finding:
    with store.transaction() as tx:
        return findings.by_ids(tx, [found.id])[found.id]


def waived(store: Store) -> list[Any]:
    """The waivers of the store."""
    with store.transaction() as tx:
        return [each.waiver for each in waivers.listing(tx, "acme")]


def alert_of(found: Finding, kind: AlertKind = AlertKind.OPENED) -> Alert:
    return Alert(
        id=f"{found.id}.{kind}",
        kind=kind,
        organization=found.organization,
        level=found.level,
        title=found.title,
        text=found.message,
        at=found.opened_at,
        policy=found.policy,
        finding=found.id,
        resource_kind=found.kind,
        resource_id=found.ids[-1],
        resource_name=found.name,
    )


def workspace(server: Server) -> Interactive:
    """A fresh workspace with three people, whose buttons work."""
    server.slack = FakeSlack()
    people = Interactive(server.slack)
    people.add_person(ADA, "ada@example.com")
    people.add_person(BO, "bo@example.com")
    people.add_person(EVE, "ada@example.com", team_id="T99999999", is_stranger=True)
    return people


class Heard(list[str]):
    """What came of each press, in order, and how the connection was."""

    def __init__(self) -> None:
        super().__init__()
        self.connected: list[bool | None] = []
        self.bugs: list[BaseException] = []

    def comes_to(self, *results: str) -> None:
        """Wait until that is what came of it."""
        eventually(lambda: len(self) >= len(results), 10)
        assert self == list(results)

    @property
    def watch(self) -> Watch:
        return Watch(self.connected.append, self.append, self.bugs.append)


@contextmanager
def listening(store: Store, config: Config, *, organizations_: tuple[str, ...] = ("acme",)) -> Iterator[Heard]:
    """Somebody who listens, as the daemon does."""
    heard = Heard()
    desk = Desk(store, config, Rules(organizations_, LONGEST, {}))
    listener = Listener("security", config, desk, heard.watch, pause=0.05)
    listener.start()
    try:
        yield heard
    finally:
        listener.stop()
        assert heard.bugs == []
        assert listener.ended(5)
        assert heard.connected[-1:] == [None]


def day(days: int) -> str:
    """A day as the date picker tells it."""
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def posted(slack: FakeSlack) -> Posted:
    return slack.messages[-1]


def words(message: Any) -> str:
    """What somebody reads in a message that only they see."""
    (block,) = message.blocks
    text: str = block["text"]["text"]
    return text
