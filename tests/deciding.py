"""The page with people who sign in, served over real HTTP on a store, and forms as a browser sends them."""

import base64
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

import bcrypt
import httpx
import sample

from auditor import clock
from auditor.config import Findings
from auditor.findings.matcher import Matcher
from auditor.findings.model import Finding, Transition, identity
from auditor.findings.waivers import Origin, Waiver
from auditor.store import findings, organizations, transitions, waivers
from auditor.store.database import Store
from auditor.terms import Level, State
from auditor.web.app import create_app
from auditor.web.metrics import Metrics
from auditor.web.people import People
from auditor.web.reader import PageReader
from auditor.web.server import serve

ADA, BO = "ada@example.com", "bo@example.com"
"""Ada may accept risks, Bo may not."""
PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
DAY = 86_400
NOW = clock.epoch(clock.now())
LONGEST = 90
"""Days that a waiver lasts at most."""


def finding(key: str = "key_1", organization: str = "acme", **more: object) -> Finding:
    """An open finding about a key."""
    ids = ("proj_1", key)
    settled: dict[str, object] = {
        "id": identity(organization, "project-key-stale", "project_api_key", ids),
        "organization": organization,
        "policy": "project-key-stale",
        "kind": "project_api_key",
        "ids": ids,
        "name": "batch <b>key</b>",
        "level": Level.HIGH,
        "state": State.OPEN,
        "title": "Stale key",
        "message": "Unused for a year",
        "opened_at": NOW - DAY,
        "seen_at": NOW,
        "changed_at": NOW - DAY,
    }
    return Finding(**{**settled, **more})  # type: ignore[arg-type]


def keep(store: Store, *some: Finding) -> None:
    """Write findings, of an organization that was looked at before."""
    with store.transaction() as tx:
        for each in some:
            organizations.mark_baseline(tx, each.organization, NOW - DAY)
        findings.save(tx, some)


def stored(store: Store, found: Finding) -> Finding:
    """The finding as it is now."""
    with store.transaction() as tx:
        return findings.by_ids(tx, [found.id])[found.id]


def life(store: Store, found: Finding) -> list[tuple[str, str, str]]:
    """Its transitions: why, by whom, with which words."""
    with store.transaction() as tx:
        rows: Sequence[Transition] = transitions.of_finding(tx, found.id)  # type: ignore[assignment]
    return [(row.reason.value, row.by, row.comment) for row in rows]


def granted(store: Store, organization: str = "acme") -> list[Waiver]:
    """The waivers of the store."""
    with store.transaction() as tx:
        return waivers.stored(tx, organization)


def in_file(**more: object) -> Waiver:
    """A waiver of the file."""
    plain = {
        "id": "old-keys",
        "match": Matcher(policy=("project-key-*",)),
        "reason": "known",
        "owner": "cy@example.com",
    }
    return Waiver(**{**plain, "on": NOW - DAY, "until": NOW + 5 * DAY, "origin": Origin.FILE, **more})  # type: ignore[arg-type]


def day(days: int) -> str:
    """The day so many days from now, as a date field sends it."""
    return clock.from_epoch(NOW + days * DAY).date().isoformat()


@dataclass
class Page:
    """The page as one browser sees it."""

    http: httpx.AsyncClient
    metrics: Metrics
    people: dict[str, str] = field(default_factory=dict)

    def as_(self, name: str, password: str = PASSWORD) -> dict[str, str]:
        """Headers of somebody who signs in, in a browser on a trustworthy connection."""
        sent = base64.b64encode(f"{name}:{password}".encode()).decode()
        return {"authorization": f"Basic {sent}", "sec-fetch-site": "same-origin"}

    async def get(self, path: str, name: str = ADA) -> httpx.Response:
        """Look at a page."""
        return await self.http.get(path, headers=self.as_(name))

    async def post(self, path: str, fields: Mapping[str, str], name: str = ADA) -> httpx.Response:
        """Send a form."""
        headers = self.as_(name) | {"content-type": "application/x-www-form-urlencoded"}
        return await self.http.post(path, content=urlencode(fields), headers=headers)

    async def key(self, found: Finding) -> str:
        """The key that the form of a finding holds."""
        (key,) = re.findall(r'name="key" value="([0-9a-f]{16})"', (await self.get(f"/findings/{found.id}")).text)
        return str(key)

    async def acknowledge(self, found: Finding, comment: str = "", name: str = ADA) -> httpx.Response:
        """Send the form that acknowledges a finding."""
        return await self.post(f"/findings/{found.id}/acknowledge", {"comment": comment}, name)

    async def waive(self, found: Finding, name: str = ADA, **fields: str) -> httpx.Response:
        """Send the form that accepts a risk."""
        plain = {"key": "0" * 16, "reason": "moves in May", "until": day(30), "ticket": "SEC-1", "pinned": ""}
        return await self.post(f"/findings/{found.id}/waive", plain | fields, name)

    def counted(self, result: str) -> float:
        """What the metrics say of forms."""
        lines = [
            line
            for line in self.metrics.render().decode().splitlines()
            if line.startswith(f'auditor_page_decisions_total{{result="{result}"')
        ]
        return float(lines[0].split()[-1]) if lines else 0.0


@asynccontextmanager
async def page(store: Store, *of_file: Waiver, users: Sequence[str] = (ADA, BO)) -> AsyncIterator[Page]:
    """The page on `store`, where `users` sign in and Ada decides."""
    people = dict.fromkeys(users, HASH)
    metrics = Metrics(store, ("acme", "beta"), lambda: NOW)
    rules = Findings(max_waiver=f"{LONGEST}d")
    read = PageReader(store, ("acme", "beta"), lambda: sample.POLICIES, lambda: NOW, lambda: rules, lambda: of_file)
    who = People(lambda: people, lambda: (ADA,), metrics.sign_in, metrics.page_decision)
    app = create_app(read, metrics.render, lambda: (), lambda: (), people=who, hosts=("audit.example.com",))
    async with serve(app, "127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        yield Page(http, metrics, people)
