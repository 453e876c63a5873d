"""What daemons live and die between: an organization, a workspace and a folder; and what they leave there.

The organization and the workspace live here, outside of what is killed: they know what was given out and what came in.
"""

import contextlib
import copy
import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import commands
import slack
from anyio.from_thread import start_blocking_portal
from organization import KEY, ledger_of
from starlette.types import Receive, Scope, Send

from auditor.inventory.schema import EVENT_KIND
from auditor.simulator.model import Organization
from auditor.simulator.organization import Size, generate
from auditor.simulator.scenario import SCENARIOS
from auditor.simulator.server import ROOT, create_app
from auditor.simulator.slack_workspace import TOKEN, FakeSlack
from auditor.web.server import serve

SCENARIO = SCENARIOS["takeover"]

CONFIG = """\
organizations:
  acme: {{admin_key: {key}, base_url: '{api}'}}
store: sqlite:///{folder}/auditor.db
schedule: {{snapshot: 12h, audit_log: 12h, weekly_report: '0 0 29 2 *'}}
sinks:
  slack: {{type: slack, token: {token}, channel: '#security', base_url: '{slack}/api/', allow_private: true}}
route: {{group_by: ['...'], group_wait: 0s, group_interval: 0s}}
routes:
  - {{match: {{level: [critical, high, medium]}}, to: [slack]}}
reports: {{directory: '{folder}/reports', to: [slack]}}
web: {{listen: '127.0.0.1:0'}}
"""


@dataclass(frozen=True)
class Left:
    """What there is after a run: in the store, at the API and in Slack."""

    passed: Sequence[tuple[str, str]]
    """Points of the last life."""
    killed: bool
    given: frozenset[str]
    """Events that the API gave out."""
    events: Counter[str]
    findings: Mapping[str, str]
    """State by id."""
    transitions: Counter[tuple[str, ...]]
    owed: int
    """Messages that are not delivered."""
    sent: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    """Of each message, without the time in its id: each arrival with its whole id and what was shown."""
    broken: Sequence[str] = ()
    """Wrong with the files: what the database's own check finds, reports that the store does not know, half ones."""

    @property
    def repeats(self) -> int:
        """Messages that came again."""
        return sum(len(arrivals) - 1 for arrivals in self.sent.values())


def losses(left: Left, undisturbed: Left) -> list[str]:
    """Every way in which a run that was killed differs from one that was not, a repeated message aside."""
    told = [
        ("events lost", left.given - left.events.keys()),
        ("events never asked for", undisturbed.events.keys() - left.events.keys()),
        ("events twice", {each for each, count in left.events.items() if count > 1}),
        ("findings differ", set(left.findings.items()) ^ set(undisturbed.findings.items())),
        (
            "transitions differ",
            set((left.transitions - undisturbed.transitions) + (undisturbed.transitions - left.transitions)),
        ),
        ("messages lost", undisturbed.sent.keys() - left.sent.keys()),
        ("messages nobody expected", left.sent.keys() - undisturbed.sent.keys()),
        ("repeated otherwise than it was", {name for name, arrivals in left.sent.items() if len(set(arrivals)) > 1}),
        ("messages still owed", {left.owed} - {0}),
        ("broken", set(left.broken)),
    ]
    return [f"{what}: {len(which)}, {sorted(map(str, which))[:3]}" for what, which in told if which]


def world(now: int) -> Organization:
    """A small organization made smaller still: a picture of it takes few requests."""
    organization = generate(1, Size.SMALL, now)
    SCENARIO.prepare(organization, now)
    for project in list(organization.projects)[1:]:
        del organization.projects[project]
    for user in list(organization.users)[4:]:
        del organization.users[user]
        for group in organization.groups.values():
            group.members.pop(user, None)
        for place in organization.projects.values():
            place.users.pop(user, None)
            place.user_grants.pop(user, None)
    return organization


class _Served:
    """Serves the organization of the run that is on."""

    def __init__(self, organization: Organization) -> None:
        self.set(organization)

    def set(self, organization: Organization) -> None:
        """A copy of it, with a new ledger."""
        self.organization = copy.deepcopy(organization)
        self.app = create_app(self.organization, keys=frozenset({KEY}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self.app(scope, receive, send)


class Stage:
    """Serves the Admin API and Slack, and keeps the folder of the store while it is entered."""

    def __init__(self, folder: Path, organization: Organization) -> None:
        self.folder = folder
        self.config = folder / "auditor.yaml"
        self.database = folder / "auditor.db"
        self._served = _Served(organization)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        portal = self._open.enter_context(start_blocking_portal())
        api = self._open.enter_context(portal.wrap_async_context_manager(serve(self._served, "127.0.0.1", 0)))
        self._slack = self._open.enter_context(slack.serving())
        self.config.write_text(
            CONFIG.format(key=KEY, api=api + ROOT, token=TOKEN, slack=self._slack.address, folder=self.folder)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def organization(self) -> Organization:
        """The one that is served now; what is changed in it is seen at once."""
        return self._served.organization

    def reset(self, organization: Organization, begin: Path | None = None) -> None:
        """Nothing has happened yet but what `organization` knows, and what was kept in the folder `begin`."""
        self._served.set(organization)
        self._slack.slack = FakeSlack()
        for old in self.folder.glob("auditor.db*"):
            old.unlink()
        shutil.rmtree(self.folder / "reports", ignore_errors=True)
        if begin:
            shutil.copytree(begin, self.folder, dirs_exist_ok=True)

    def keep(self, begin: Path) -> None:
        """Keep the store and the reports in the new folder `begin`."""
        begin.mkdir()
        shutil.copy(self.database, begin)
        if (self.folder / "reports").exists():
            shutil.copytree(self.folder / "reports", begin / "reports")

    def left(self, passed: Sequence[tuple[str, str]] = (), *, killed: bool) -> Left:
        """What there is now."""
        sent: dict[str, list[tuple[str, str]]] = {}
        for posted in self._slack.slack.messages:
            name = str(posted.metadata["event_payload"]["id"])
            sent.setdefault(_timeless(name), []).append((name, json.dumps(posted.versions[0])))
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            read = database.execute
            return Left(
                passed=passed,
                killed=killed,
                given=frozenset(ledger_of(self._served.app).items(EVENT_KIND)),
                events=Counter(id_ for (id_,) in read("SELECT id FROM events")),
                findings=dict(read("SELECT id, state FROM findings")),
                transitions=Counter(read("SELECT finding, before, after, reason FROM transitions").fetchall()),
                owed=read("SELECT count(*) FROM outbox WHERE state != 'delivered'").fetchone()[0],
                sent=sent,
                broken=[*_broken(database), *(file.name for file in self.folder.glob("reports/*/.*"))],
            )


def environment() -> dict[str, str]:
    """Without the certificates of the system: reading them takes longer than the daemon's whole start, for nothing."""
    return commands.environment({"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull})


def _timeless(name: str) -> str:
    """The id of a message without the time of what it tells."""
    return re.sub(r"\.\d+$", "", name)


def _broken(database: sqlite3.Connection) -> Iterator[str]:
    (checked,) = database.execute("PRAGMA integrity_check").fetchone()
    if checked != "ok":
        yield str(checked)
    for path, digest in database.execute("SELECT path, sha256 FROM reports").fetchall():
        file = Path(path)
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            yield f"{file.name} is not the report that the store knows"
