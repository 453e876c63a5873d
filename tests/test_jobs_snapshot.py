"""Taking the picture: one digest at first, alerts afterwards, and no conclusion from what was not seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from audits import SINKS, auditing, opened, passed, routed, stood, told
from organization import NOW, small
from starlette.types import ASGIApp, Receive, Scope, Send

from auditor.alerts.message import Alert, decode
from auditor.errors import ApiError
from auditor.jobs import usage
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import blind, take
from auditor.routing import Match, Route
from auditor.simulator.dice import Dice
from auditor.simulator.model import Organization
from auditor.simulator.people import new_user
from auditor.simulator.server import ROOT, create_app
from auditor.store import findings, leases, organizations, runs
from auditor.store.database import Store
from auditor.terms import Level, Outcome, State
from auditor.web.server import serve


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def organization() -> Organization:
    return small()


def messages(store: Store, sink: str) -> list[Alert]:
    with store.transaction() as tx:
        return [decode(each.message.alert) for each in leases.lease(tx, [sink], "test", 60, 1000)]


def active(store: Store) -> set[str]:
    with store.transaction() as tx:
        return set(findings.active(tx, "acme"))


def add_owner(organization: Organization, at: int) -> None:
    stranger = new_user(
        Dice(organization.seed, f"stranger {at}", 0),
        name="Stranger",
        email="stranger@example.net",
        role="owner",
        added_at=at,
    )
    organization.users[stranger.id] = stranger


async def test_the_first_pass_sends_one_digest_to_each_sink(store: Store, organization: Organization) -> None:
    first = await passed(organization, store, NOW)

    assert first.opened > 20
    assert first.alerts == len(SINKS)
    assert told(store) == dict.fromkeys(SINKS, 1)
    everything, critical = messages(store, "here")[0], messages(store, "there")[0]
    assert sum(everything.counts.values()) == len(active(store))
    assert set(critical.counts) == {"critical"}


async def test_the_first_digest_goes_to_whom_a_route_for_findings_or_digests_leads(
    store: Store, organization: Organization
) -> None:
    sinks = ("here", "there", "ops", "mail", "quiet")
    routes = (
        Route(match=Match.model_validate({"class": "notice"}), to=("ops",)),
        Route(match=Match.model_validate({"class": "digest"}), to=("mail",)),
        Route(match=Match.model_validate({"level": "high", "policy": "none-*"}), to=("quiet",)),
        Route(match=Match(level=(Level.CRITICAL,)), to=("there",), **{"continue": True}),
        Route(to=("here",)),
    )
    await stood(store, routed(*routes, sinks=sinks))
    assert told(store) == {"here": 1, "there": 1, "mail": 1, "quiet": 1}
    (here,), (mail,), (quiet,) = messages(store, "here"), messages(store, "mail"), messages(store, "quiet")
    assert (mail.counts, mail.text) == (here.counts, here.text), "a route for digests takes all of it"
    assert quiet.text.startswith(f"0 findings to begin with, and {len(active(store))} more that no route brings here")


async def test_a_second_pass_over_the_same_organization_is_silent(store: Store, organization: Organization) -> None:
    await stood(store)
    before = active(store)

    second = await passed(organization, store, NOW + 900)

    assert (second.opened, second.resolved, second.alerts) == (0, 0, 0)
    assert active(store) == before
    assert told(store) == dict.fromkeys(SINKS, 1)


async def test_what_is_new_is_told_and_what_is_gone_is_resolved(store: Store, organization: Organization) -> None:
    await stood(store)
    before = active(store)
    add_owner(organization, NOW + 60)
    changed = await passed(organization, store, NOW + 900)
    opened = active(store) - before
    organization.users.popitem()
    once = await passed(organization, store, NOW + 1800)
    twice = await passed(organization, store, NOW + 2700)

    assert changed.alerts > 0
    assert opened
    assert once.resolved == 0, "one picture without it may be a picture that is wrong"
    assert twice.resolved == len(opened)
    assert active(store) & opened == set()


@pytest.mark.parametrize("refused", ["user", "project", "audit_event"])
async def test_a_gap_resolves_nothing_and_says_unknown(store: Store, organization: Organization, refused: str) -> None:
    await stood(store)
    before = active(store)

    blinded = await passed(organization, store, NOW + 900, refuse=[refused])

    assert before <= active(store)
    assert blinded.resolved == 0
    assert blinded.run.summary["unknown"] > 1
    unknown = [v for result in blinded.results for v in result.verdicts if v.outcome is Outcome.UNKNOWN and v.gap]
    assert all(each.gap and each.gap.reason for each in unknown)
    assert len({(each.policy, each.gap.key if each.gap else "") for each in unknown}) == len(unknown)
    assert blinded.run.summary == {
        outcome.value: sum(line.outcome is outcome for line in blinded.run.policies)
        for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN)
    }


async def test_what_is_gone_behind_a_gap_is_resolved_when_the_gap_closes(
    store: Store, organization: Organization
) -> None:
    add_owner(organization, NOW - 60)
    await passed(organization, store, NOW)
    with store.transaction() as tx:
        strangers = {f.id for f in findings.active(tx, "acme").values() if "stranger" in f.message.lower()}
    assert strangers
    organization.users.popitem()

    for later in (900, 1800):
        await passed(organization, store, NOW + later, refuse=["user"])
        assert strangers <= active(store)

    for later in (2700, 3600):
        await passed(organization, store, NOW + later)
    assert strangers & active(store) == set()
    with store.transaction() as tx:
        assert {each.state for each in findings.by_ids(tx, list(strangers)).values()} == {State.RESOLVED}


async def test_a_pass_that_saw_nothing_is_no_baseline(store: Store, organization: Organization) -> None:
    nothing = await passed(organization, store, NOW, keys={"another"})

    assert blind(nothing.run.coverage)
    assert nothing.alerts == 0
    with store.transaction() as tx:
        assert organizations.read(tx, "acme").baseline_at is None
        assert runs.latest(tx, "acme", "snapshot") == nothing.run

    first = await passed(organization, store, NOW + 900)

    assert first.alerts == len(SINKS)
    assert told(store) == dict.fromkeys(SINKS, 1)


class Failing:
    """Answers one path with a refusal that no new permission helps against."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.app, self.path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == self.path:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, send)


async def test_a_first_pass_that_failed_in_part_waits_once_for_a_better_one(
    store: Store, organization: Organization
) -> None:
    """An API that comes up in the middle of the first pass must not make the rest of it news."""
    app = Failing(create_app(organization, keys=None), f"{ROOT}/organization/users")
    async with serve(app, "127.0.0.1", 0) as address, auditing(address + ROOT, store) as audit:
        partial = await take(audit, await poll(audit, NOW), NOW)
        again = await take(audit, await poll(audit, NOW + 900), NOW + 900)
        app.path = ""
        whole = await take(audit, await poll(audit, NOW + 1800), NOW + 1800)

    assert partial.alerts == 0
    assert again.alerts == len(SINKS), "what fails twice is not waited for: alerts must come some day"
    assert whole.alerts > 0


async def test_a_refusal_does_not_delay_the_baseline(store: Store, organization: Organization) -> None:
    first = await passed(organization, store, NOW, refuse=["certificate"])

    assert first.alerts == len(SINKS)


async def test_the_first_picture_is_told_where_some_route_leads_and_says_what_it_leaves_out(store: Store) -> None:
    critical = Route(match=Match(level=(Level.CRITICAL,)), to=("there",))
    await stood(store, routed(critical, Route(events="all", to=("here",))))
    (digest,) = messages(store, "there")
    assert messages(store, "here") == []
    count = len(digest.lines)
    others = len(active(store)) - count
    assert count > 0
    assert digest.text.startswith(f"{count} findings to begin with, and {others} more that no route brings here.")


def unseen(store: Store) -> list[Alert]:
    return [alert for alert in messages(store, "here") if "cannot be read" in alert.title]


async def test_a_list_that_is_refused_is_told_once(store: Store, organization: Organization) -> None:
    await passed(organization, store, NOW, refuse=["certificate"])
    (told,) = unseen(store)
    assert told.title == "1 list of acme cannot be read"
    assert told.facts[0][0] == "certificate"
    assert "403" in told.facts[0][1]
    await passed(organization, store, NOW + 900, refuse=["certificate"])
    assert unseen(store) == []
    await passed(organization, store, NOW + 1800, refuse=["certificate", "user"])
    assert {"certificate", "user"} <= {fact[0] for alert in unseen(store) for fact in alert.facts}


async def test_a_report_that_is_refused_is_told_when_it_is_refused_again(
    store: Store, organization: Organization
) -> None:
    app = Failing(create_app(organization, keys=None), f"{ROOT}/organization/costs")
    async with serve(app, "127.0.0.1", 0) as address, auditing(address + ROOT, store) as audit:
        for now in (NOW, NOW + 900):
            await take(audit, await poll(audit, now), now)
        assert unseen(store) == []
        with pytest.raises(ApiError, match="cost could not be read"):
            await usage.daily(audit, NOW + 86_400)
    (told,) = unseen(store)
    assert told.facts[0][0] == "cost"
    assert "404" in told.facts[0][1]


async def test_a_list_that_failed_once_is_told_when_it_fails_again(store: Store, organization: Organization) -> None:
    app = Failing(create_app(organization, keys=None), "")
    path = f"{ROOT}/organization/users"
    async with serve(app, "127.0.0.1", 0) as address, auditing(address + ROOT, store) as audit:
        for later, failing, count in ((0, "", 0), (900, path, 0), (1800, "", 0), (2700, path, 0), (3600, path, 1)):
            app.path = failing
            await take(audit, await poll(audit, NOW + later), NOW + later)
            assert len(unseen(store)) == count, later
