"""Kills the daemon, starts it again, and compares what is left with what the outside world saw.

The organization and the workspace live here, outside of what is killed: they know what was given out and what came in.
"""

import contextlib
import copy
import hashlib
import json
import os
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import slack
from anyio.from_thread import start_blocking_portal
from crash_points import Kill
from organization import KEY, ledger_of
from starlette.types import Receive, Scope, Send

from auditor.inventory.schema import EVENT_KIND
from auditor.simulator.model import Organization
from auditor.simulator.organization import Size, generate
from auditor.simulator.scenario import SCENARIOS, apply
from auditor.simulator.server import ROOT, create_app
from auditor.simulator.slack_workspace import TOKEN, FakeSlack
from auditor.web.server import serve

AGO, ACT = 7 * 3600, 6 * 3600
"""Seconds since the first picture, and from it to the second: the daemon's time is behind the database's, which says
what is due."""
LATER = 60
"""Seconds that the clock has moved at each new start, so that nothing is the same by chance."""
PATIENCE = 30.0
"""Seconds after which a life that does not become quiet counts as stuck."""
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
        ("events never asked for", undisturbed.given - left.given),
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


class _Stage:
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


class Bench:
    """One organization, one workspace, and a program that forks daemons between them."""

    def __init__(self, folder: Path, started_at: int) -> None:
        self._folder = folder
        self._started_at = started_at
        self._organization = world(started_at)
        self._stage = _Stage(self._organization)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        portal = self._open.enter_context(start_blocking_portal())
        api = self._open.enter_context(portal.wrap_async_context_manager(serve(self._stage, "127.0.0.1", 0)))
        self._slack = self._open.enter_context(slack.serving())
        path = self._folder / "auditor.yaml"
        path.write_text(
            CONFIG.format(key=KEY, api=api + ROOT, token=TOKEN, slack=self._slack.address, folder=self._folder)
        )
        program = [sys.executable, str(Path(__file__).with_name("crash_child.py")), str(path)]
        self._log = self._open.enter_context((self._folder / "log").open("w+b"))
        self._forks = self._open.enter_context(
            subprocess.Popen(
                program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, bufsize=0, env=_environment()
            )
        )
        self._open.callback(self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def run(self, *kills: Kill, fault: str = "") -> Left:
        """The whole cycle, killed at the first of `kills`, started again and killed at the next, started to the end."""
        self._reset()
        act, status, passed, lives = 1, -signal.SIGKILL, list[tuple[str, str]](), 0
        for life, kill in enumerate((*kills, None)):
            base = self._started_at + LATER * life
            killing = kill and asdict(kill)
            self._order({"act": act, "times": (base, base + ACT), "fault": fault, "kill": killing})
            act, status, passed = self._life(act)
            if status == 0:
                break
            assert status == -signal.SIGKILL, self._said()
            lives += 1
        assert status == 0, self._said()
        return self._left(passed, killed=lives == len(kills) and lives > 0)

    def _life(self, act: int) -> tuple[int, int, list[tuple[str, str]]]:
        """Follow one daemon to its end: the act it came to, its exit status, the points it passed."""
        passed: list[tuple[str, str]] = []
        pid = 0
        while True:
            answer = self._answer(pid)
            if answer == "quiet":
                act = 2
                apply(self._stage.organization, SCENARIO, self._started_at + ACT)
                self._order("go")
            elif "pid" in answer:
                pid = answer["pid"]
            elif "passed" in answer:
                passed = [(kind, name) for kind, name in answer["passed"]]
            else:
                return act, answer["ended"], passed

    def _reset(self) -> None:
        self._stage.set(self._organization)
        self._slack.slack = FakeSlack()
        for old in self._folder.glob("auditor.db*"):
            old.unlink()
        shutil.rmtree(self._folder / "reports", ignore_errors=True)

    def _order(self, order: object) -> None:
        assert self._forks.stdin is not None
        self._forks.stdin.write(json.dumps(order).encode() + b"\n")

    def _answer(self, pid: int) -> Any:
        assert self._forks.stdout is not None
        if not select.select([self._forks.stdout], [], [], PATIENCE)[0]:
            if pid:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"the daemon did not become quiet: {self._said()}")
        line = self._forks.stdout.readline()
        assert line, self._said()
        return json.loads(line)

    def _end(self) -> None:
        assert self._forks.stdin is not None
        self._forks.stdin.close()

    def _said(self) -> str:
        return (self._folder / "log").read_text()[-3000:]

    def _left(self, passed: Sequence[tuple[str, str]], *, killed: bool) -> Left:
        sent: dict[str, list[tuple[str, str]]] = {}
        for posted in self._slack.slack.messages:
            name = str(posted.metadata["event_payload"]["id"])
            sent.setdefault(_timeless(name), []).append((name, json.dumps([posted.text, posted.blocks])))
        with contextlib.closing(sqlite3.connect(self._folder / "auditor.db")) as database:
            read = database.execute
            return Left(
                passed=passed,
                killed=killed,
                given=frozenset(ledger_of(self._stage.app).items(EVENT_KIND)),
                events=Counter(id_ for (id_,) in read("SELECT id FROM events")),
                findings=dict(read("SELECT id, state FROM findings")),
                transitions=Counter(read("SELECT finding, before, after, reason FROM transitions").fetchall()),
                owed=read("SELECT count(*) FROM outbox WHERE state != 'delivered'").fetchone()[0],
                sent=sent,
                broken=[*_broken(database), *(file.name for file in self._folder.glob("reports/*/.*"))],
            )


def _environment() -> dict[str, str]:
    """Without the certificates of the system: reading them takes longer than the daemon's whole start, for nothing."""
    return {**os.environ, "SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}


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
