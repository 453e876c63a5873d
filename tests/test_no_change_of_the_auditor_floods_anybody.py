"""First run, restart, reload, new policies, an outage of days: at most so many messages a window, and nobody missed."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deliveries import later
from figures import Figure
from organization import KEY, NOW, served, small
from slack import serving

from auditor import clock
from auditor.alerts.deliver import Deliverer
from auditor.alerts.message import Alert, AlertKind
from auditor.assembly import assemble, audit_of, client_of, gate_of
from auditor.configfile import read
from auditor.jobs.poll import poll
from auditor.jobs.review import release, repeat
from auditor.jobs.snapshot import take
from auditor.simulator.dice import Dice
from auditor.simulator.model import Organization
from auditor.simulator.people import new_user
from auditor.simulator.slack_workspace import TOKEN, FakeSlack, Fault, FaultKind
from auditor.store import findings, outbox, silences, tally
from auditor.store.database import Store, open_store
from auditor.terms import Level

pytest_plugins = ["databases"]

CONFIG = """\
organizations: {{acme: {{admin_key: {key}, base_url: '{api}', requests_per_minute: 100000}}}}
store: {store}
# Who is dormant is known only once the log was followed for a while, and is news then.
policies: {{paths: ['builtin:openai', ./policies], overrides: {{dormant-user: {{enabled: false}}}}}}
sinks:
  slack: {{type: slack, token: {token}, channel: '#security', base_url: '{slack}/api/', allow_private: true{storm}}}
"""

POLICY = """\
title: Policy number {number}
name: extra-{number}
resource: {resource}
level: {level}
description: A policy of a test.
detection: {{all: {{id|startswith: ''}}, condition: all}}
message: "{{{{ id }}}}"
remediation: None.
examples:
  - {{name: named, now: 2026-01-01T00:00:00Z, expect: fail, resource: {{id: ingest}}}}
  - {{name: other, now: 2026-01-01T00:00:00Z, expect: pass, resource: {{}}}}
"""

CAP = 20
REST = re.compile(r": [\d,]+ to [\d,]+ of [\d,]+$")
"""How the text of a message ends that has more lines of the digest above."""


@dataclass
class Watch:
    """An organization under watch by a process that begins anew with each step, and what Slack got."""

    folder: Path
    store: Store
    slack: FakeSlack
    organization: Organization
    now: int = NOW
    told: list[Alert] = field(default_factory=list)

    async def step(self, seconds: int = 900) -> int:
        """Time passes, a new process takes the picture and delivers; returns how many messages Slack got.

        What a digest has no room for follows in its thread, and disturbs nobody.
        """
        self.now += seconds
        later(self.store, seconds, aging=False)
        parts = assemble(read(self.folder / "auditor.yaml"))
        async with client_of(parts.loaded, "acme") as client:
            audit = audit_of(parts, "acme", client, self.store)
            await take(audit, await poll(audit, self.now), self.now)
            release(audit, gate_of(parts))
            repeat(audit, self.now)
        return await self.deliver(40)

    async def deliver(self, seconds: int) -> int:
        """What is due after some seconds goes out, by a process of its own."""
        later(self.store, seconds, aging=False)
        self.now += seconds
        parts = assemble(read(self.folder / "auditor.yaml"))
        before = self._count()
        await Deliverer(
            self.store,
            parts.sinks,
            "test",
            gate=gate_of(parts),
            now=lambda: clock.from_epoch(self.now),
            on_delivered=lambda alert, _sink: self.told.append(alert),
        ).deliver_due()
        return self._count() - before

    def _count(self) -> int:
        return sum(not (each.thread_ts and REST.search(each.text)) for each in self.slack.messages)

    def named(self) -> list[str]:
        """The policies that were told, one for each finding."""
        return [line.policy for alert in self.told for line in alert.lines] + [
            alert.policy for alert in self.told if not alert.lines
        ]

    def open(self, prefix: str) -> int:
        with self.store.transaction() as tx:
            return sum(each.policy.startswith(prefix) for each in findings.active(tx, "acme").values())

    def hire(self) -> None:
        """Somebody new, whom each policy about users finds."""
        dice = Dice(self.organization.seed, "somebody", 0)
        user = new_user(dice, name="New", email="new@example.com", role="reader", added_at=self.now)
        self.organization.users[user.id] = user

    def remove_policies(self) -> None:
        for file in (self.folder / "policies").iterdir():
            file.unlink()

    def add_policies(self, count: int, resource: str = "project") -> None:
        for number in range(count):
            level = ("low", "medium", "high", "critical")[number % 4]
            text = POLICY.format(number=number, resource=resource, level=level)
            (self.folder / "policies" / f"extra-{number}.yaml").write_text(text)


@pytest.fixture
def watch(tmp_path: Path, sqlite_url: str) -> Iterator[Watch]:
    store = open_store(sqlite_url)
    organization = small()
    with served(organization) as (api, _), serving() as slack:
        (tmp_path / "policies").mkdir()
        _configure(tmp_path, api, sqlite_url, slack.address)
        yield Watch(tmp_path, store, slack.slack, organization)
    store.close()


def _configure(folder: Path, api: str, store: str, slack: str, storm: str = "") -> None:
    text = CONFIG.format(key=KEY, api=api, store=store, token=TOKEN, slack=slack, storm=storm)
    (folder / "auditor.yaml").write_text(text)


def tell(figure: Figure, what: str, counts: Sequence[int]) -> None:
    figure(f"{what}: {', '.join(map(str, counts))} messages")


async def test_a_first_run_is_one_message_and_a_restart_none(watch: Watch, figure: Figure) -> None:
    counts = [await watch.step(), await watch.step(), await watch.step()]
    tell(figure, f"first run with {watch.open('')} findings, restart, restart", counts)
    assert counts == [1, 0, 0]
    assert len(watch.told[0].lines) == watch.open("") > 20


async def test_a_policy_that_many_resources_fail_is_one_message(watch: Watch, figure: Figure) -> None:
    await watch.step()
    watch.add_policies(1, "user")
    counts = [await watch.step(), await watch.step()]
    tell(figure, f"one new policy that {watch.open('extra')} users fail, and the pass after it", counts)
    assert counts == [1, 0]
    assert watch.named().count("extra-0") == watch.open("extra") > 10


async def test_many_new_policies_are_one_message_that_tells_every_finding(watch: Watch, figure: Figure) -> None:
    await watch.step()
    watch.add_policies(60)
    counts = [await watch.step(), await watch.deliver(1), await watch.deliver(620)]
    tell(figure, f"60 new policies with {watch.open('extra')} findings, and the windows after it", counts)
    assert counts == [1, 0, 0]
    assert watch.told[-1].title == f"{watch.open('extra')} findings of 60 new or changed policies"
    told = [name for name in watch.named() if name.startswith("extra")]
    assert len(told) == watch.open("extra") > 60
    assert len(set(told)) == 60


async def test_many_policies_that_are_changed_are_one_message(watch: Watch, figure: Figure) -> None:
    watch.add_policies(60)
    for file in (watch.folder / "policies").iterdir():
        file.write_text(file.read_text().replace("id|startswith: ''", "id|startswith: ingest"))
    await watch.step()
    assert watch.open("extra") == 0
    watch.add_policies(60)
    counts = [await watch.step(), await watch.step()]
    tell(figure, f"60 changed policies with {watch.open('extra')} findings, and the pass after it", counts)
    assert counts == [1, 0]


def _raise_levels(watch: Watch, *names: str) -> None:
    text = (watch.folder / "auditor.yaml").read_text()
    said = ", ".join(f"{name}: {{level: critical}}" for name in names)
    (watch.folder / "auditor.yaml").write_text(text.replace("overrides: {", f"overrides: {{{said}, "))


async def test_what_is_worse_by_a_new_configuration_is_told_again_at_once(watch: Watch) -> None:
    watch.add_policies(1)
    await watch.step()
    watch.told.clear()
    _raise_levels(watch, "extra-0")
    assert [await watch.step(), await watch.step()] == [1, 0]
    (told,) = watch.told
    assert told.level is Level.CRITICAL
    assert {line.policy for line in told.lines} == {"extra-0"}
    assert len(told.lines) == watch.open("extra") > 3
    assert "Now critical: Policy number 0" in told.title


async def test_what_is_worse_is_told_where_it_was_told_before(watch: Watch) -> None:
    routes = "routes:\n  - {match: {level: critical}, to: [slack]}\n  - {to: [slack]}\n"
    (watch.folder / "auditor.yaml").write_text((watch.folder / "auditor.yaml").read_text() + routes)
    await watch.step()
    watch.add_policies(1)
    await watch.step()
    _raise_levels(watch, "extra-0")
    await watch.step()
    (watch.folder / "policies" / "extra-0.yaml").unlink()
    text = (watch.folder / "auditor.yaml").read_text()
    (watch.folder / "auditor.yaml").write_text(text.replace("extra-0: {level: critical}, ", ""))
    await watch.step()
    kept = [each for each in watch.slack.messages[1:] if not each.thread_ts]
    assert [each.text.partition(": ")[2] for each in kept] == ["Policy number 0"]
    assert kept[0].text.startswith("\N{HEAVY MINUS SIGN} ")
    assert " open" not in kept[0].text


async def test_policies_that_are_switched_off_and_on_again_are_one_message(watch: Watch, figure: Figure) -> None:
    watch.add_policies(60)
    await watch.step()
    watch.remove_policies()
    await watch.step()
    await watch.deliver(1300)
    watch.add_policies(60)
    counts = [await watch.step(), await watch.deliver(1300)]
    tell(figure, f"60 policies that are back with {watch.open('extra')} findings, and the window after it", counts)
    assert counts == [1, 0]


async def test_what_is_silenced_is_in_no_digest_of_what_is_not(watch: Watch) -> None:
    await watch.step()
    with watch.store.transaction() as tx:
        quiet = {"policy": [f"extra-{number}" for number in range(5)]}
        silences.add(tx, quiet, "ada", "known", now=watch.now, starts_at=watch.now, ends_at=4_000_000_000)
    watch.add_policies(10)
    watch.told.clear()
    assert await watch.step() == 1
    assert {name for name in watch.named() if name.startswith("extra")} == {f"extra-{n}" for n in range(5, 10)}


async def test_many_levels_that_are_raised_are_one_message(watch: Watch, figure: Figure) -> None:
    watch.add_policies(60)
    await watch.step()
    _raise_levels(watch, *(f"extra-{number}" for number in range(60)))
    counts = [await watch.step(), await watch.step()]
    tell(figure, "60 policies that are critical now, and the pass after it", counts)
    assert counts == [1, 0]


async def test_what_many_policies_find_at_once_stays_below_the_cap_and_all_of_it_is_told(
    watch: Watch, figure: Figure
) -> None:
    watch.add_policies(60, "user")
    await watch.step()
    watch.hire()
    watch.told.clear()
    counts = [await watch.step(), await watch.deliver(1), await watch.deliver(620)]
    tell(figure, "somebody new whom 60 policies find, and the windows after it", counts)
    assert max(counts) <= CAP
    assert {name for name in watch.named() if name.startswith("extra")} == {f"extra-{n}" for n in range(60)}


async def test_policies_that_are_taken_away_end_their_findings_below_the_cap(watch: Watch, figure: Figure) -> None:
    watch.add_policies(60)
    await watch.step()
    watch.remove_policies()
    counts = [await watch.step(), await watch.deliver(1), await watch.deliver(620)]
    tell(figure, "60 policies taken away, and the windows after it", counts)
    assert max(counts) <= CAP
    assert watch.open("extra") == 0


async def test_an_outage_of_three_days_ends_below_the_cap(watch: Watch, figure: Figure) -> None:
    watch.add_policies(60, "user")
    await watch.step()
    watch.hire()
    watch.told.clear()
    watch.slack.fail_next(Fault(FaultKind.SERVER_ERROR), times=1_000)
    down = [await watch.step(16 * 3600) for _ in range(4)]
    while watch.slack.next_fault():
        pass
    up = [await watch.deliver(900) for _ in range(4)]
    tell(figure, f"{sum(down)} in 64 hours without Slack; then in each window", up)
    assert sum(down) == 0
    assert max(up) <= CAP
    assert {name for name in watch.named() if name.startswith("extra")} == {f"extra-{n}" for n in range(60)}
    with watch.store.transaction() as tx:
        assert tally.pending(tx) == {}
        assert outbox.listing(tx, "dead") == []


async def test_the_cap_of_a_sink_is_its_own(watch: Watch, figure: Figure) -> None:
    watch.add_policies(30, "user")
    await watch.step()
    text = (watch.folder / "auditor.yaml").read_text()
    (watch.folder / "auditor.yaml").write_text(text.replace("true}", "true, storm: {messages: 3, window: 1h}}"))
    watch.hire()
    watch.told.clear()
    counts = [await watch.step(3700), await watch.deliver(1200), await watch.deliver(3700)]
    tell(figure, "30 findings to a sink that takes 3 an hour, 20 minutes later, an hour later", counts)
    assert counts[:2] == [3, 0]
    assert watch.told[-1].kind is AlertKind.DIGEST
    assert {name for name in watch.named() if name.startswith("extra")} == {f"extra-{n}" for n in range(30)}
