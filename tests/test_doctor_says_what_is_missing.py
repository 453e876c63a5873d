"""`auditor doctor`: every check against a real server, and what the checks make of what they found."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import slack as fake_slack
from anyio.from_thread import start_blocking_portal
from organization import KEY, ledger_of, served, small
from pydantic import SecretStr
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from auditor import clock
from auditor.adminapi.client import AdminClient
from auditor.adminapi.refusal import missing_scopes
from auditor.adminapi.reports import REPORTS
from auditor.adminapi.resources import RESOURCES
from auditor.cli import call
from auditor.config import OrganizationConfig
from auditor.inventory.collect import collect
from auditor.inventory.model import Record, Unknown
from auditor.jobs import callplan, diagnosis, surroundings
from auditor.jobs.diagnosis import Exit, Line, Mark, Pace
from auditor.jobs.probe import Answered, Tried, probe
from auditor.simulator.auditlog import AuditLog
from auditor.simulator.model import Organization
from auditor.simulator.server import ROOT, create_app
from auditor.web.server import serve
from auditor.web.signin import NOBODY
from auditor.webconfig import Tls, Web

DAY = 86_400
NOW = clock.epoch(clock.now())


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration from outside."""
    for name in [each for each in os.environ if each.startswith(("AUDITOR_", "OPENAI_"))]:
        monkeypatch.delenv(name)


def test_attestations_that_are_faulty_or_over_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word = "- {setting: mfa_enforced, value: true, by: ada, on: 2024-01-01, until: %s, evidence: a ticket}\n"
    (tmp_path / "words.yaml").write_text(word % "2024-06-30")
    with served(healthy()) as (address, _):
        config = configured(tmp_path, address, attestations="words.yaml")
        call(["doctor", "-c", str(config)])
        assert "1 of 1 are over: mfa_enforced" in " ".join(capsys.readouterr().out.split())
        (tmp_path / "words.yaml").write_text(word % "soon")
        assert call(["doctor", "-c", str(config)]) == Exit.CONFIG
    assert "`until` must be a day or a moment" in " ".join(capsys.readouterr().out.split())


def test_who_may_sign_in_to_the_page_is_counted_and_a_broken_file_of_them_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "users").write_text(f"ada@example.com:{NOBODY}\nbo@example.com:{NOBODY}\n")
    web = {"users_file": str(tmp_path / "users"), "deciders": ["ada@example.com"]}
    config = configured(tmp_path, "http://127.0.0.1:9/v1", web=web)
    assert examined(capsys, config).text("page users", "ok") == "2 may sign in, 1 of them may accept risks"
    (tmp_path / "users").write_text("ada@example.com:secret\n")
    assert "must be a hash by bcrypt" in examined(capsys, config).text("page users", "fail")


def configured(folder: Path, address: str, **more: object) -> Path:
    """A configuration in which all is well, but for what `more` says; JSON is YAML, too."""
    key = folder / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    settings: dict[str, object] = {
        "organizations": {"acme": {"admin_key_file": str(key), "base_url": address}},
        "store": f"sqlite:///{folder}/auditor.db",
        "sinks": {"here": {"type": "console"}},
        "web": {"listen": "127.0.0.1:0"},
    }
    path = folder / "auditor.yaml"
    path.write_text(json.dumps(settings | more))
    return path


class Examined:
    """What `auditor doctor` said."""

    def __init__(self, code: int, document: Mapping[str, Any]) -> None:
        self.code = code
        self.document = document

    def of(self, check: str, result: str = "") -> list[Mapping[str, Any]]:
        """The lines of one check."""
        return [each for each in self.document["checks"] if each["check"] == check and result in each["result"]]

    def text(self, check: str, result: str = "") -> str:
        """What those lines say."""
        return "\n".join(each["text"] for each in self.of(check, result))


def examined(capsys: pytest.CaptureFixture[str], config: Path, *more: str) -> Examined:
    """Run it."""
    code = call(["doctor", "-c", str(config), "-o", "json", *more])
    out, err = capsys.readouterr()
    assert KEY not in out + err
    document = json.loads(out)
    assert document["exit"] == code
    return Examined(code, document)


def healthy() -> Organization:
    """An organization that knows our key, which ends in ninety days."""
    organization = small(now=NOW)
    own = next(iter(organization.admin_api_keys.values()))
    own.name, own.redacted_value, own.expires_at = "auditor", f"sk-admin-{'*' * 8}{KEY[-4:]}", NOW + 90 * DAY + 3600
    return organization


def test_where_all_is_well_nothing_fails_and_few_questions_are_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(healthy(), keys={KEY}) as (address, app):
        done = examined(capsys, configured(tmp_path, address))
        asked = list(ledger_of(app))
    assert [each for each in done.document["checks"] if each["result"] == "fail"] == []
    assert done.code == 0
    assert len(asked) <= len(RESOURCES) + len(REPORTS) + 3
    assert {each.method for each in asked} == {"GET"}
    assert done.text("permissions").startswith(f"{len(RESOURCES)} of {len(RESOURCES)} kinds")
    assert len(done.of("audit log", "ok")) == 2
    assert "in 90 days" in done.text("key")
    assert done.text("clock") == "within 5 seconds of the API's"
    assert "does not exist yet" in done.text("store")
    assert not (tmp_path / "auditor.db").exists()
    assert done.of("calls")[0]["details"]["calls"] > len(RESOURCES)


def test_missing_permissions_are_named_with_all_that_they_hide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(healthy(), refuse=("group", "certificate", "admin_api_key")) as (address, _):
        done = examined(capsys, configured(tmp_path, address))
    assert done.code == 4
    lines = done.of("permissions", "fail")
    assert len(lines) == 3
    groups = next(line for line in lines if "api.groups.read" in line["text"])
    assert groups["text"].startswith(
        "permission api.groups.read is missing: cannot read group, group_member, group_role"
    )
    assert groups["details"] == {"unreadable": ["group", "group_member", "group_role"]}
    assert "read only" in groups["next"]
    assert "policies that judge these will say unknown" in next(
        line["text"] for line in lines if "certificate" in line["text"]
    )
    assert "the admin keys cannot be read" in done.text("key")


def test_reports_that_cannot_be_read_are_one_line_and_those_that_can_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(healthy(), refuse=("cost", "usage_images")) as (address, _):
        done = examined(capsys, configured(tmp_path, address))
    assert done.code == 4
    (refused,) = done.of("usage", "fail")
    assert refused["text"].startswith("permission api.usage.read is missing: cannot read cost, usage_images;")
    assert refused["details"] == {"unreadable": ["cost", "usage_images"]}
    (read,) = done.of("usage", "ok")
    assert read["text"].startswith("10 of 12 usage and cost reports can be read; they take 12 calls a day, 69 on")


@contextmanager
def between(app: ASGIApp) -> Iterator[str]:
    """Serve an application of a test; gives the base URL."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(app, "127.0.0.1", 0)) as address:
        yield address + ROOT


def test_a_refused_tenant_stream_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = create_app(healthy(), keys=None)

    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        error = {"error": {"message": "You have insufficient permissions. Missing scopes: api.audit_logs.read."}}
        refused = b"tenant_only=true" in scope.get("query_string", b"")
        await (JSONResponse(error, 403) if refused else app)(scope, receive, send)

    with between(refusing) as address:
        done = examined(capsys, configured(tmp_path, address))
    assert done.code == 4
    assert "organization stream can be read" in done.text("audit log", "ok")
    assert done.text("audit log", "fail") == (
        "the tenant stream cannot be read: permission api.audit_logs.read is missing"
    )


def test_an_empty_log_is_no_proof_of_peace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    organization = healthy()
    organization.log = AuditLog(7, NOW)
    with served(organization) as (address, _):
        done = examined(capsys, configured(tmp_path, address))
    assert done.code == 0
    assert "never switched on, or nothing has happened" in done.text("audit log", "warn")
    assert "Data controls" in done.of("audit log", "warn")[0]["next"]
    assert "the tenant stream can be read; it has no events" in done.text("audit log", "ok")


def test_a_wrong_key_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(healthy(), keys={"another"}) as (address, _):
        done = examined(capsys, configured(tmp_path, address))
    assert done.code == 1
    assert done.text("permissions", "fail").startswith("nothing can be read: HTTP 401")
    assert "make a new one" in done.of("permissions", "fail")[0]["next"]
    assert not done.of("audit log")


def test_an_api_that_is_not_there_is_told_soon_and_the_rest_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = examined(capsys, configured(tmp_path, "http://127.0.0.1:9/v1"))
    assert done.code == 1
    assert "nothing could be read: no answer from" in done.text("API", "fail")
    assert done.of("policies", "ok")
    assert not done.of("permissions")


def test_the_table_is_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    organization = healthy()
    next(iter(organization.admin_api_keys.values())).name = "\x1b[31m[bold]evil\u202e"
    with served(organization, refuse=("role",)) as (address, _):
        assert call(["doctor", "-c", str(configured(tmp_path, address))]) == 4
    out = capsys.readouterr().out
    assert "fail  permissions" in out
    assert "-> the admin key lacks" in out
    assert "[bold]evil" in out
    assert not {"\x1b", "\u202e"} & set(out)


async def test_a_clock_that_is_wrong_is_seen() -> None:
    with served(healthy()) as (address, _):
        async with AdminClient(SecretStr(KEY), base_url=address) as client:
            probed = await probe(client, lambda: clock.now() - timedelta(minutes=10))
    line = diagnosis.clock_skew(probed.first)
    assert line.mark is Mark.FAIL
    assert "clock is 10 minutes behind the API's" in line.text


@pytest.mark.parametrize(
    ("ours", "took", "mark"),
    [(0.0, 0.1, Mark.OK), (-6.6, 0.1, Mark.WARN), (6.6, 0.1, Mark.WARN), (9.0, 20.0, Mark.OK), (-70.0, 0.1, Mark.FAIL)],
)
def test_how_wrong_a_clock_is_counts_less_the_longer_the_answer_took(ours: float, took: float, mark: Mark) -> None:
    begun = 1_767_225_600.5 + ours - took / 2
    line = diagnosis.clock_skew(Answered("Thu, 01 Jan 2026 00:00:00 GMT", begun, begun + took))
    assert line.mark is mark, line.text


@pytest.mark.parametrize("first", [None, Answered(None, 0, 1), Answered("yesterday", 0, 1)])
def test_a_time_that_the_api_does_not_send_is_no_good_clock(first: Answered | None) -> None:
    assert diagnosis.clock_skew(first).mark is Mark.WARN


def admin_key(number: int, redacted: object, end: object) -> Record:
    """An admin key as the list shows it."""
    fields = {"name": f"key {number}", "redacted_value": redacted, "expires_at": end}
    return Record("admin_api_key", (f"key_{number}",), {name: value for name, value in fields.items() if value})


@pytest.mark.parametrize(
    ("end", "mark", "words"),
    [
        (NOW + 31 * DAY, Mark.OK, "in 31 days"),
        (NOW + 29 * DAY, Mark.WARN, "in 29 days"),
        (NOW + 13 * DAY, Mark.WARN, "in 13 days"),
        (NOW + 3 * DAY - 1, Mark.FAIL, "in 2 days"),
        (NOW - 60, Mark.FAIL, "ended on"),
        (None, Mark.WARN, "never ends"),
        (Unknown(), Mark.WARN, "does not say"),
    ],
    # The workers of one run must name the tests alike, and each reads the clock for itself.
    ids=["in 31 days", "in 29 days", "in 13 days", "in 2 days", "ended", "never", "unsaid"],
)
@pytest.mark.parametrize("redacted", ["sk-admin-********ey_1", "sk-admin...ey_1"])
def test_the_end_of_the_own_key_is_told_in_time(redacted: str, end: object, mark: Mark, words: str) -> None:
    others = (admin_key(2, "sk-admin-********xxxx", NOW), admin_key(3, None, NOW), admin_key(4, "********y_1", None))
    line = diagnosis.own_key(Tried("admin_api_key", (*others[:2], admin_key(1, redacted, end))), KEY, NOW)
    assert (line.mark, words in line.text) == (mark, True), line
    assert "key 1 (key_1)" in line.text


def test_keys_that_look_alike_are_all_named_and_the_first_end_counts() -> None:
    keys = tuple(admin_key(n, "sk-admin-********ey_1", NOW + n * 40 * DAY) for n in (2, 1))
    line = diagnosis.own_key(Tried("admin_api_key", keys), KEY, NOW)
    assert "key 2 (key_2), key 1 (key_1) ends on" in line.text
    assert "in 40 days" in line.text
    assert "not found among the 0" in diagnosis.own_key(Tried("admin_api_key"), KEY, NOW).text


async def test_what_was_refused_took_a_call_and_what_it_hides_took_none() -> None:
    with served(healthy(), refuse=("group", "project_user", "user_role")) as (address, app):
        async with AdminClient(SecretStr(KEY), base_url=address, requests_per_minute=100_000) as client:
            snapshot = await collect(client, "acme", NOW)
            assert callplan.counted(snapshot.coverage).calls == len(ledger_of(app))


async def test_the_calls_of_a_snapshot_are_counted_or_reckoned() -> None:
    with served(healthy()) as (address, app):
        async with AdminClient(SecretStr(KEY), base_url=address, requests_per_minute=100_000) as client:
            probed = await probe(client, clock.now)
            before = len(ledger_of(app))
            snapshot = await collect(client, "acme", NOW)
            calls = len(ledger_of(app)) - before
    plan = callplan.counted(snapshot.coverage)
    assert plan.calls == calls == sum(plan.parts.values())
    assert set(plan.parts) == {"organization list", "organization fan-out", "project list", "project fan-out"}
    guess = callplan.estimated(probed.kinds)
    exact = {each.kind: each.calls for each in plan.kinds}
    reckoned = {each.kind: each.calls for each in guess.kinds}
    from_one_project = {"project_user_role", "project_group_role"}
    assert {kind for kind in exact if exact[kind] != reckoned[kind]} <= from_one_project
    slow = diagnosis.calls(plan, Pace(60, 60, 6 * 3600))
    assert slow.mark is Mark.WARN
    assert slow.details["seconds"] == calls
    fine = diagnosis.calls(plan, Pace(6000, 900, 6 * 3600))
    lists = plan.parts["organization list"] + plan.parts["project list"]
    assert fine.mark is Mark.OK
    assert fine.details["calls_without_fan_out"] == lists
    assert fine.details["calls_a_day"] == 96 * lists + 4 * (calls - lists)
    assert f"; {lists} when no role assignments are due, which are read every 6 hours" in fine.text
    often = diagnosis.calls(plan, Pace(6000, 900, 60))
    assert often.details["calls_a_day"] == 96 * calls, "no more often than there are snapshots"


def test_after_a_snapshot_its_own_count_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(healthy()) as (address, _):
        config = configured(tmp_path, address)
        assert call(["check", "-c", str(config)]) == 3
        capsys.readouterr()
        done = examined(capsys, config)
    assert "counted in the last snapshot" in done.text("calls")
    assert "schema 0" in done.text("store", "ok")


FAULTY = "title: T\nname: faulty\nresource: usr\n"


def test_policies_and_sinks_that_are_not_sound_end_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "faulty.yaml").write_text(FAULTY)
    more: dict[str, object] = {
        "policies": {"paths": [f"{tmp_path}/faulty.yaml"]},
        "sinks": {"chat": {"type": "slak"}, "hook": {"type": "webhook", "a": 1, "b": 2}, "here": {"type": "console"}},
    }
    with served(healthy()) as (address, _):
        done = examined(capsys, configured(tmp_path, address, **more))
    assert done.code == 2
    assert "faulty.yaml:" in done.text("policies", "fail")
    assert done.of("routes") == []
    assert "auditor.yaml:" in done.text("sink chat", "fail")
    assert "no such sink" in done.text("sink chat", "fail")
    assert len(done.of("sink hook", "fail")) == 2, "each fault is a line"
    assert done.of("sink here", "ok")


def test_a_route_for_a_policy_that_is_none_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    routes = [{"match": {"policy": "scim-disable"}, "to": "here"}]
    with served(healthy()) as (address, _):
        config = configured(tmp_path, address, sinks={"here": {"type": "console"}}, routes=routes)
        done = examined(capsys, config)
    assert done.code == 2
    assert "no policy is named `scim-disable` (did you mean `scim-disabled`?)" in done.text("routes", "fail")


def test_sinks_are_reached_and_get_a_message_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(healthy()) as (address, _), fake_slack.serving() as server:
        nowhere = fake_slack.by_webhook("http://127.0.0.1:9")
        sinks = {
            "chat": fake_slack.by_token(server.address),
            "gone": nowhere,
            "here": {"type": "jsonl", "path": str(tmp_path / "x")},
        }
        sinks["log"] = {"type": "syslog", "host": "127.0.0.1", "transport": "udp"}
        config = configured(tmp_path, address, sinks=sinks)
        quiet = examined(capsys, config)
        assert len(server.slack.messages) == 0
        loud = examined(capsys, config, "--send-test")
        assert len(server.slack.messages) == 1
    assert (quiet.code, loud.code) == (1, 1)
    assert "no message was sent" in quiet.text("sink chat", "ok")
    assert quiet.text("sink gone", "fail") == "slack: 127.0.0.1:9 cannot be reached: connection refused"
    assert quiet.text("sink here", "ok").startswith("jsonl: built; it needs no host")
    assert quiet.text("sink log", "ok").startswith("syslog: built; 127.0.0.1:514 cannot be tried without a message")
    assert "was taken" in loud.text("sink chat", "ok")
    assert "was not taken" in loud.text("sink gone", "fail")


def test_a_page_address_is_free_ours_or_taken() -> None:
    async def live(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({"status": "ok"})(scope, receive, send)

    with between(live) as address:
        port = int(address.removesuffix(ROOT).rpartition(":")[2])
        assert "already" in page_at(port).text
    assert (page_at(port).mark, page_at(port).text) == (Mark.OK, f"127.0.0.1:{port} is free")
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        line = page_at(stranger.getsockname()[1])
    assert line.mark is Mark.FAIL


def test_passwords_in_clear_and_a_certificate_that_is_none_are_told(tmp_path: Path) -> None:
    line = surroundings.page(Web(listen="0.0.0.0:0", users={"ada": SecretStr(NOBODY)}))
    assert (line.mark, line.text) == (Mark.WARN, "0.0.0.0:0 is free; passwords cross the network in clear")
    line = page_at(0, tls=Tls(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem"))
    assert (line.mark, line.text) == (Mark.FAIL, f"cannot read {tmp_path}/cert.pem: No such file or directory")


def page_at(port: int, tls: Tls | None = None) -> Line:
    return surroundings.page(Web(listen=f"127.0.0.1:{port}", tls=tls))


def test_a_store_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    missing = surroundings.opened(f"sqlite:///{tmp_path}/none/auditor.db")[1]
    assert (missing.mark, "cannot be made" in missing.text) == (Mark.FAIL, True)
    (tmp_path / "text.db").write_text("no database at all, but long enough to be taken for one" * 20)
    assert surroundings.opened(f"sqlite:///{tmp_path}/text.db")[1].mark is Mark.FAIL
    (tmp_path / "open.db").touch(mode=0o644)
    store, line = surroundings.opened(f"sqlite:///{tmp_path}/open.db")
    assert store is not None
    store.close()
    assert (line.mark, line.hint) == (Mark.WARN, f"chmod 600 {tmp_path}/open.db")


def test_where_the_key_is_kept_is_told(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o600)
    in_file = OrganizationConfig(admin_key_file=file)
    direct = OrganizationConfig(admin_key=SecretStr(KEY))
    own = {"AUDITOR_ORGANIZATIONS__ACME__ADMIN_KEY": KEY}
    place = surroundings.key_place
    assert place("acme", in_file, {"admin_key_file": str(file)}, {}).mark is Mark.OK
    assert "configuration file" in place("acme", direct, {"admin_key": KEY}, {}).text
    assert "(AUDITOR_ORGANIZATIONS__ACME__ADMIN_KEY)" in place("acme", direct, {}, own).text
    assert "(OPENAI_ADMIN_KEY)" in place("acme", OrganizationConfig(), None, {"OPENAI_ADMIN_KEY": KEY}).text
    file.chmod(0o644)
    assert place("acme", in_file, {}, {}).hint == f"chmod 600 {file}"


def test_what_hides_the_most_decides_the_exit_code() -> None:
    lines = [Line(Mark.FAIL, "a", "", exit=Exit.UNREAD), Line(Mark.WARN, "b", "", exit=Exit.CONFIG)]
    assert diagnosis.exit_code(lines) == 4
    assert diagnosis.exit_code([*lines, Line(Mark.FAIL, "c", "")]) == 1
    assert diagnosis.exit_code([*lines, Line(Mark.FAIL, "c", ""), Line(Mark.FAIL, "d", "", exit=Exit.CONFIG)]) == 2
    assert diagnosis.exit_code([Line(Mark.WARN, "a", "")]) == 0


@pytest.mark.parametrize(
    ("message", "scopes"),
    [
        ("Missing scopes: api.a.read, api.b.read. Check", ("api.a.read", "api.b.read")),
        ("missing scope api.a.read", ("api.a.read",)),
        ("Incorrect API key provided", ()),
    ],
)
def test_permissions_are_read_off_the_message(message: str, scopes: tuple[str, ...]) -> None:
    assert missing_scopes(message) == scopes
