"""What arrives at the services that sinks post to: at fakes that refuse what they refuse, over HTTP."""

import base64
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from alerts import ALERT, HOSTILE, hidden, hostile
from services import FakeAlertmanager, FakePagerDuty, FakeReceiver, FakeSplunk, FakeTeams, serving
from standardwebhooks import Webhook

from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.registry import build
from auditor.alerts.sink import Context, Receipt
from auditor.errors import ConfigError, DeliveryError
from auditor.terms import Level

OLD = "whsec_" + base64.b64encode(b"o" * 24).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "b3c1f6c0-0000-4000-8000-000000000000"

Settings = dict[str, Any]


async def send(settings: Settings, alert: Alert = ALERT) -> Receipt:
    return await build("security", {"allow_private": True, **settings}).send(alert, Context())


async def refusal(settings: Settings, alert: Alert = ALERT) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await send(settings, alert)
    return caught.value


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from (name, *strings(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def digest(count: int, text: str = "stale") -> Alert:
    lines = tuple(Line(Level.HIGH, "project-key-stale", f"key_{index}", text) for index in range(count))
    return replace(ALERT, kind=AlertKind.DIGEST, finding="", lines=lines, counts={"high": count})


@pytest.fixture
def receiver() -> Iterator[tuple[FakeReceiver, Settings]]:
    fake = FakeReceiver(NEW)
    with serving(fake) as address:
        yield fake, {"type": "webhook", "url": f"{address}/hooks/1", "secret": NEW}


async def test_a_webhook_is_signed_as_the_reference_library_checks_it(
    receiver: tuple[FakeReceiver, Settings],
) -> None:
    fake, settings = receiver
    receipt = await send(settings)
    (call,) = fake.taken
    assert call.json == {
        "type": "finding.opened",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {
            "schema_version": 1,
            "id": "00ff.open.1767225600",
            "kind": "opened",
            "organization": "acme",
            "level": "high",
            "title": "Project API key unused for 90 days",
            "text": "ci-bot of Ada in payments: last used 91 days ago",
            "at": "2026-01-01T00:00:00Z",
            "policy": "project-key-stale",
            "finding": "00ff",
            "reason": "",
            "resource": {"kind": "project_api_key", "id": "key_1", "name": "ci-bot"},
            "remediation": "Delete the key, or have its owner record a waiver with an end date.",
            "facts": {"Who": "ada@example.com", "From": "192.0.2.7"},
            "counts": {},
            "lines": [],
            "lines_omitted": 0,
            "link": "http://127.0.0.1:9847/findings/00ff",
        },
    }
    assert call.headers["content-type"] == "application/json"
    assert receipt.details == {"webhook_id": call.headers["webhook-id"], "status": "204"}


async def test_a_repeat_of_a_webhook_has_the_same_id_and_another_alert_another_one(
    receiver: tuple[FakeReceiver, Settings],
) -> None:
    fake, settings = receiver
    for alert in (ALERT, ALERT, replace(ALERT, id="00ff.resolved.1767225601")):
        await send(settings, alert)
    first, again, other = (call.headers["webhook-id"] for call in fake.taken)
    assert first == again != other
    assert "." not in first + other, "it would be ambiguous in what is signed"


async def test_a_secret_is_replaced_without_a_gap(receiver: tuple[FakeReceiver, Settings], tmp_path: Path) -> None:
    fake, settings = receiver
    file = tmp_path / "secret"
    settings = {**settings, "secret": None, "secret_file": str(file)}
    for accepted, known in ((OLD, OLD), (OLD, f"{NEW}\n{OLD}\n"), (NEW, f"{NEW}\n{OLD}\n"), (NEW, NEW)):
        fake.secret = accepted
        file.write_text(known)
        await send(settings)
    assert len(fake.taken) == 4
    fake.secret = OLD
    assert (await refusal(settings)).retryable, "until it is replaced here, too"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", KEY, "", f"{NEW} whsec_c2hvcnQ="])
async def test_a_secret_that_is_none_is_a_fault_of_the_configuration(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await send({"type": "webhook", "url": "https://hooks.example.com/", "secret": secret})
    assert "24 to 64 bytes" in caught.value.message
    assert "openssl" in caught.value.hint


async def test_a_changed_body_does_not_pass_the_check(receiver: tuple[FakeReceiver, Settings]) -> None:
    fake, settings = receiver
    await send(settings)
    (call,) = fake.taken
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(NEW).verify(call.body.replace(b"high", b"info"), dict(call.headers))


@pytest.fixture
def pagerduty() -> Iterator[tuple[FakePagerDuty, Settings]]:
    fake = FakePagerDuty(KEY)
    with serving(fake) as address:
        yield fake, {"type": "pagerduty", "url": f"{address}/v2/enqueue", "routing_key": KEY}


async def test_a_finding_is_one_alert_in_pagerduty_from_trigger_to_resolve(
    pagerduty: tuple[FakePagerDuty, Settings],
) -> None:
    fake, settings = pagerduty
    states = []
    for kind in (AlertKind.OPENED, AlertKind.ACKNOWLEDGED, AlertKind.RESOLVED, AlertKind.REOPENED):
        receipt = await send(settings, replace(ALERT, kind=kind))
        assert receipt.details == {"dedup_key": "00ff"}
        states.append(dict(fake.alerts))
    assert states == [{"00ff": state} for state in ("triggered", "acknowledged", "resolved", "triggered")]
    opened = fake.taken[0]
    assert opened["payload"]["summary"] == (
        "High: Project API key unused for 90 days - ci-bot of Ada in payments: last used 91 days ago"
    )
    assert (opened["payload"]["severity"], opened["payload"]["source"]) == ("error", "openai/acme")
    assert opened["links"] == [{"href": ALERT.link, "text": "Open in the auditor"}]
    assert fake.taken[2].keys() == {"routing_key", "event_action", "dedup_key", "client"}


async def test_what_is_no_finding_has_a_key_of_its_own(pagerduty: tuple[FakePagerDuty, Settings]) -> None:
    fake, settings = pagerduty
    for alert in (digest(3), digest(3), replace(digest(3), id="storm/2")):
        await send(settings, alert)
    assert len(fake.alerts) == 2


async def test_a_routing_key_that_was_replaced_costs_no_event(pagerduty: tuple[FakePagerDuty, Settings]) -> None:
    _, settings = pagerduty
    error = await refusal({**settings, "routing_key": KEY[::-1]})
    assert error.message == "PagerDuty answered 400: the routing key is not known"
    assert error.retryable
    assert "integration key" in error.hint


@pytest.mark.parametrize("errors", [["Invalid routing key", "'payload.source' is missing or blank"], [], "x", None, {}])
async def test_another_400_of_pagerduty_is_about_the_event(errors: object) -> None:
    class Told(FakePagerDuty):
        def answer(self, call: Any) -> tuple[int, object]:
            return 400, {"status": "invalid event", "errors": errors}

    with serving(Told(KEY)) as address:
        error = await refusal({"type": "pagerduty", "url": f"{address}/v2/enqueue", "routing_key": KEY})
    assert not error.retryable


async def test_a_routing_key_that_is_none_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="not 32 letters and digits"):
        await send({"type": "pagerduty", "routing_key": "abc"})


async def test_another_s_dedup_key_confirms_nothing() -> None:
    class Wrong(FakePagerDuty):
        def answer(self, call: Any) -> tuple[int, object]:
            return 202, {"status": "success", "dedup_key": "another"}

    with serving(Wrong(KEY)) as address:
        error = await refusal({"type": "pagerduty", "url": f"{address}/v2/enqueue", "routing_key": KEY})
    assert error.retryable


@pytest.fixture
def teams() -> Iterator[tuple[FakeTeams, Settings]]:
    fake = FakeTeams("abc")
    with serving(fake) as address:
        yield fake, {"type": "teams", "url": f"{address}/workflows/1/triggers/manual?api-version=1&sig=abc"}


async def test_a_card_tells_the_finding_whole(teams: tuple[FakeTeams, Settings]) -> None:
    fake, settings = teams
    await send(settings)
    assert fake.texts() == [
        "🔺 High: Project API key unused for 90 days",
        "ci-bot of Ada in payments: last used 91 days ago",
        "Project API key: ci-bot (key_1)",
        "Who: ada@example.com",
        "From: 192.0.2.7",
        "What to do: Delete the key, or have its owner record a waiver with an end date.",
        "acme · project-key-stale · finding 00ff · 2026-01-01 00:00:00 UTC",
    ]
    assert fake.cards[0]["actions"] == [{"type": "Action.OpenUrl", "title": "Open in the auditor", "url": ALERT.link}]


@pytest.mark.parametrize("text", ["x" * 5000, "\u540d" * 5000, '"' * 5000])
async def test_a_card_is_never_larger_than_teams_takes(teams: tuple[FakeTeams, Settings], text: str) -> None:
    fake, settings = teams
    alert = replace(
        digest(2000, text), title=text, text=text, remediation=text, resource_id=text, facts=((text, text),) * 30
    )
    await send(settings, alert)
    (more,) = [shown for shown in fake.texts() if shown.startswith("... and")]
    assert more.endswith("more findings")


async def test_a_card_has_as_many_lines_as_teams_takes(teams: tuple[FakeTeams, Settings]) -> None:
    fake, settings = teams
    lines = tuple(Line(Level.HIGH, "stale", "ci-bot", "stale", "opened", "f1", "", f"key_{n}") for n in range(1000))
    await send(settings, replace(digest(0), lines=lines, link=""))
    listed = sum("high ci-bot (key_" in shown for shown in fake.texts())
    assert listed > 100
    more = f"... and {1000 - listed} more findings (with `auditor findings list --policy stale`)"
    assert [shown for shown in fake.texts() if shown.startswith("...")] == [more]


@pytest.mark.parametrize(
    ("status", "body", "delivered"),
    [
        (202, b"", True),
        (200, b"", True),
        (200, b"1", True),
        (204, b"", True),
        (200, b"<html>log in</html>", False),
        (200, b"Webhook message delivery failed with error: HTTP error 413", False),
    ],
)
async def test_teams_confirms_with_202_or_without_words(status: int, body: bytes, delivered: bool) -> None:
    class Told(FakeTeams):
        def answer(self, call: Any) -> tuple[int, object]:
            return status, body

    with serving(Told("abc")) as address:
        settings = {"type": "teams", "url": f"{address}/?sig=abc"}
        if delivered:
            await send(settings)
        else:
            assert (await refusal(settings)).retryable


@pytest.fixture
def splunk() -> Iterator[tuple[FakeSplunk, Settings]]:
    fake = FakeSplunk(TOKEN)
    with serving(fake) as address:
        yield fake, {"type": "splunk_hec", "url": f"{address}/", "token": TOKEN}


async def test_an_event_in_splunk_has_time_type_and_the_whole_alert(splunk: tuple[FakeSplunk, Settings]) -> None:
    fake, settings = splunk
    await send({**settings, "index": "security"})
    (event,) = fake.events
    told = event.pop("event")
    assert event == {
        "time": 1_767_225_600,
        "source": "auditor",
        "sourcetype": "openai:auditor",
        "index": "security",
    }
    assert (told["id"], told["level"], told["resource"]["id"]) == (ALERT.id, "high", "key_1")


async def test_refusals_of_splunk_are_told_in_our_words(splunk: tuple[FakeSplunk, Settings]) -> None:
    fake, settings = splunk
    error = await refusal({**settings, "index": "other"})
    assert (error.message, error.retryable) == ("Splunk answered 400: the index is not one of the token's", True)
    error = await refusal({**settings, "token": "another"})
    assert (error.message, error.retryable) == ("Splunk answered 403: the token is not known", True)
    fake.busy = True
    error = await refusal(settings)
    assert (error.message, error.retryable) == ("Splunk answered 503: the server is busy", True)


@pytest.mark.parametrize(("code", "final"), [(5, True), (6, True), (12, True), (13, True), (15, True), (10, False)])
async def test_codes_of_splunk_say_what_is_about_the_event(code: int, final: bool) -> None:
    class Told(FakeSplunk):
        def answer(self, call: Any) -> tuple[int, object]:
            return 400, {"text": "no", "code": code}

    with serving(Told(TOKEN)) as address:
        error = await refusal({"type": "splunk_hec", "url": address, "token": TOKEN})
    assert error.retryable is not final


async def test_a_workflow_of_teams_that_is_switched_off_may_be_switched_on_again() -> None:
    class Off(FakeTeams):
        def answer(self, call: Any) -> tuple[int, object]:
            return 400, {"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "<b>state 'Stopped'</b>"}}

    with serving(Off("abc")) as address:
        error = await refusal({"type": "teams", "url": f"{address}/?sig=abc"})
    assert (error.message, error.retryable) == ("Teams answered 400: the workflow is switched off", True)


@pytest.fixture
def alertmanager() -> Iterator[tuple[FakeAlertmanager, Settings]]:
    fake = FakeAlertmanager(TOKEN)
    with serving(fake) as address:
        yield fake, {"type": "alertmanager", "url": address, "token": TOKEN}


async def test_a_finding_is_one_alert_in_alertmanager_until_it_is_resolved(
    alertmanager: tuple[FakeAlertmanager, Settings],
) -> None:
    fake, settings = alertmanager
    await send(settings)
    (alert,) = fake.alerts.values()
    assert alert == {
        "labels": {
            "alertname": "project-key-stale",
            "organization": "acme",
            "finding": "00ff",
            "resource_kind": "project_api_key",
            "resource_id": "key_1",
        },
        "annotations": {
            "severity": "high",
            "summary": "Project API key unused for 90 days",
            "description": "ci-bot of Ada in payments: last used 91 days ago",
            "resource": "ci-bot",
            "remediation": "Delete the key, or have its owner record a waiver with an end date.",
            "facts": "Who: ada@example.com, From: 192.0.2.7",
        },
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2035-12-30T00:00:00Z",
        "generatorURL": ALERT.link,
    }
    await send(settings, replace(ALERT, kind=AlertKind.RESOLVED, at=ALERT.at + 60))
    (alert,) = fake.alerts.values()
    assert alert["endsAt"] == "2026-01-01T00:01:00Z"


async def test_what_only_happened_ends_by_itself(alertmanager: tuple[FakeAlertmanager, Settings]) -> None:
    fake, settings = alertmanager
    await send({**settings, "hold": "6h"}, replace(ALERT, kind=AlertKind.OCCURRED))
    (alert,) = fake.alerts.values()
    assert alert["endsAt"] == "2026-01-01T06:00:00Z"


@pytest.mark.parametrize("password", ["canary", "abcd efgh", "p\u00e4ss\u20ac", "a:" * 200])
async def test_alertmanager_takes_a_password_too(password: str) -> None:
    said: list[bytes] = []

    class Basic(FakeAlertmanager):
        def answer(self, call: Any) -> tuple[int, object]:
            said.append(base64.b64decode(call.headers["authorization"].removeprefix("Basic ")))
            return super().answer(call)

    with serving(Basic()) as address:
        await send({"type": "alertmanager", "url": address, "username": "ada", "password": password})
    assert said == [f"ada:{password}".encode()]
    with pytest.raises(ConfigError, match="set exactly one of password and password_file"):
        await send({"type": "alertmanager", "url": "https://example.com", "username": "ada"})


@pytest.fixture(scope="module")
def real_alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("alertmanager is not installed")
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    arguments = [f"--config.file={folder}/config.yml", f"--storage.path={folder}", f"--web.listen-address={address}"]
    with subprocess.Popen(
        [program, *arguments, "--cluster.listen-address="], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + 60
            while not _answers(address):
                assert time.monotonic() < until
                time.sleep(0.05)
            yield f"http://{address}"
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def active(address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{address}/api/v2/alerts", timeout=5, trust_env=False).json()
    return found


async def test_the_real_alertmanager_opens_and_closes_a_finding(real_alertmanager: str) -> None:
    settings = {"type": "alertmanager", "url": real_alertmanager}
    now = int(time.time())
    await send(settings, replace(ALERT, at=now - 60))
    await send(settings, replace(ALERT, at=now - 60))
    (alert,) = active(real_alertmanager)
    assert alert["labels"]["finding"] == "00ff"
    await send(settings, replace(ALERT, kind=AlertKind.RESOLVED, at=now - 1))
    assert active(real_alertmanager) == []
    await send(settings, replace(ALERT, kind=AlertKind.REOPENED, at=now))
    assert len(active(real_alertmanager)) == 1


async def test_the_real_alertmanager_follows_what_people_decide_and_other_levels(real_alertmanager: str) -> None:
    settings, now = {"type": "alertmanager", "url": real_alertmanager}, int(time.time())

    def told(finding: str, kind: AlertKind, ago: int, **more: Any) -> Alert:
        return replace(ALERT, finding=finding, kind=kind, at=now - ago, **more)

    async def firing(*alerts: Alert) -> dict[str, str]:
        for alert in alerts:
            await send(settings, alert)
        shown = {each["labels"]["finding"]: each["annotations"] for each in active(real_alertmanager)}
        return {name: text.get("state", "") for name, text in shown.items() if name in ("known", "risk", "event")}

    occurred = told("event", AlertKind.OCCURRED, 60, resource_kind="audit_event")
    opened = [told(name, AlertKind.OPENED, 60) for name in ("known", "risk")]
    assert await firing(*opened, occurred) == {"known": "", "risk": "", "event": ""}
    known, risk = told("known", AlertKind.ACKNOWLEDGED, 30, by="ada"), told("risk", AlertKind.WAIVED, 30)
    assert await firing(known, risk) == {"known": "Acknowledged", "event": ""}
    assert await firing(replace(occurred, kind=AlertKind.ACKNOWLEDGED, at=now - 20)) == {"known": "Acknowledged"}
    assert await firing(told("known", AlertKind.RESOLVED, 10, level=Level.LOW)) == {}
    assert await firing(told("risk", AlertKind.REOPENED, 5)) == {"risk": ""}


@pytest.mark.parametrize("case", HOSTILE)
async def test_the_real_alertmanager_takes_hostile_text(real_alertmanager: str, case: str) -> None:
    alert = replace(hostile(case), finding=case.replace(" ", "-"), at=int(time.time()) - 1)
    await send({"type": "alertmanager", "url": real_alertmanager}, alert)
    (told,) = [each for each in active(real_alertmanager) if each["labels"]["finding"] == alert.finding]
    assert not [text for text in strings(told) if hidden(text)]


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("service", ["receiver", "pagerduty", "teams", "splunk", "alertmanager"])
async def test_hostile_text_arrives_as_text(service: str, case: str, request: pytest.FixtureRequest) -> None:
    fake, settings = request.getfixturevalue(service)
    await send(settings, hostile(case))
    arrived = {
        "receiver": lambda: fake.taken[-1].json,
        "pagerduty": lambda: fake.taken[-1],
        "teams": lambda: fake.cards[-1],
        "splunk": lambda: fake.events[-1],
        "alertmanager": lambda: list(fake.alerts.values())[-1],
    }[service]()
    assert not [text for text in strings(arrived) if hidden(text)]
    assert max(len(text) for text in strings(arrived)) <= 4000


@pytest.mark.parametrize("service", ["receiver", "pagerduty", "splunk"])
async def test_a_digest_counts_what_it_leaves_out(service: str, request: pytest.FixtureRequest) -> None:
    fake, settings = request.getfixturevalue(service)
    await send(settings, digest(5000, "\u540d" * 400))
    told = {
        "receiver": lambda: fake.taken[-1].json["data"],
        "pagerduty": lambda: fake.taken[-1]["payload"]["custom_details"]["alert"],
        "splunk": lambda: fake.events[-1]["event"],
    }[service]()
    assert len(told["lines"]) > 200
    assert len(told["lines"]) + told["lines_omitted"] == 5000
