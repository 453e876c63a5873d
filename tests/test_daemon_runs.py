"""`auditor run` as a supervisor and an operator see it: what it sends, what it answers, how it stops."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import slack
from anyio.from_thread import start_blocking_portal
from audits import opened, told
from commands import KEY, auditor, configured, eventually, stored_bytes
from daemons import Running, running
from organization import served, small
from sqlalchemy import select, update
from starlette.applications import Starlette

from auditor.adminapi.reports import REPORTS
from auditor.alerts.message import decode
from auditor.jobs.schedule import USAGE
from auditor.simulator import takeover
from auditor.simulator.model import Organization
from auditor.simulator.server import create_app
from auditor.simulator.slack_interactive import Interactive
from auditor.simulator.slack_workspace import APP_TOKEN, TOKEN, FakeSlack
from auditor.store import findings, outbox
from auditor.store.tables import usage_readings, work
from auditor.terms import State
from auditor.web.server import serve


def settings(slack_address: str) -> dict[str, Any]:
    return {
        "schedule": {"snapshot": "2s", "audit_log": "1s"},
        "sinks": {"slack": slack.by_token(slack_address)},
        "routes": [{"match": {"level": ["critical", "high", "medium"]}, "to": ["slack"]}],
        "web": {"listen": "127.0.0.1:0"},
    }


@pytest.fixture(scope="module")
def chat() -> Iterator[slack.Server]:
    with slack.serving() as server:
        yield server


@pytest.fixture(scope="module")
def organization() -> Organization:
    grown = small(now=int(time.time()))
    takeover.prepare(grown, int(time.time()))
    return grown


@pytest.fixture(scope="module")
def api(organization: Organization) -> Iterator[tuple[str, Starlette]]:
    with served(organization, keys={KEY}) as running:
        yield running


@pytest.fixture(scope="module")
def config(api: tuple[str, Starlette], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of the daemon that is shared: what it says must not be heard by the other tests."""
    with slack.serving() as elsewhere:
        yield configured(tmp_path_factory.mktemp("run"), api[0], **settings(elsewhere.address))


@pytest.fixture(scope="module")
def daemon(config: Path) -> Iterator[Running]:
    """One daemon for the tests at the end, which look at it while it goes on; it would slow the others down."""
    with running(config) as daemon:
        daemon.says("snapshot.taken")
        yield daemon


def texts(workspace: FakeSlack) -> str:
    return json.dumps([[message.text, message.blocks] for message in workspace.messages])


def test_it_tells_the_baseline_once_then_what_happens_and_after_a_restart_nothing_again(
    tmp_path: Path, chat: slack.Server, organization: Organization, api: tuple[str, Starlette]
) -> None:
    workspace = chat.slack = FakeSlack()
    config = configured(tmp_path, api[0], **settings(chat.address))

    with running(config) as first:
        eventually(lambda: len(workspace.messages) == 1)
        first.says("snapshot.taken", 2)
        assert len(workspace.messages) == 1, "old faults are one digest, once"

        began = time.monotonic()
        takeover.switch_allowlist_off(organization, int(time.time()))
        eventually(lambda: len(workspace.messages) > 1)
        assert time.monotonic() - began < 10
        assert "allowlist" in texts(workspace).lower()
        first.says("snapshot.taken", len(first.events("snapshot.taken")) + 1)
        eventually(lambda: pending(tmp_path) == {})

        assert first.stop() < 10
        sent = len(workspace.messages)
        lines = first.log
    assert lines[-1]["event"] == "stopped"
    assert first.process.stdout is not None
    assert pending(tmp_path) == {}

    with running(config) as second:
        second.says("snapshot.taken")
        second.stop()

    assert len(workspace.messages) == sent
    ids = [json.dumps(message.metadata, sort_keys=True) for message in workspace.messages]
    assert len(set(ids)) == len(ids)
    for line in (*lines, *second.log):
        assert {"event", "level", "timestamp"} <= line.keys()
        assert KEY not in str(line)
        assert TOKEN not in str(line)
    assert KEY.encode() not in stored_bytes(tmp_path)
    assert TOKEN.encode() not in stored_bytes(tmp_path)


def test_the_usage_reports_are_read_before_the_first_picture_and_again_when_they_are_due(
    tmp_path: Path, chat: slack.Server, api: tuple[str, Starlette]
) -> None:
    config = configured(tmp_path, api[0], **settings(chat.address))

    with running(config) as first:
        first.says("snapshot.taken", 2)
        first.stop()
    names = [line["event"] for line in first.log]
    assert names.count("usage.read") == 1
    assert names.index("usage.read") < names.index("snapshot.taken")
    assert [(line["reports"], line["gaps"]) for line in first.events("usage.read")] == [(len(REPORTS), 0)]

    with opened(tmp_path) as store, store.transaction() as tx:
        tx.execute(update(work).where(work.c.kind == USAGE).values(due_at=0))
        tx.execute(update(usage_readings).values(tried_at=usage_readings.c.tried_at - 86_400))
    with running(config) as second:
        second.says("usage.read")
        second.stop()
    with opened(tmp_path) as store, store.transaction() as tx:
        due = tx.execute(select(work.c.due_at).where(work.c.kind == USAGE)).scalar_one()
    assert due > time.time()


def pending(folder: Path) -> dict[str, int]:
    with opened(folder) as store:
        return told(store)


def test_it_stays_up_without_an_api_and_recovers_when_it_comes(
    tmp_path: Path, chat: slack.Server, organization: Organization
) -> None:
    workspace = chat.slack = FakeSlack()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = configured(tmp_path, f"http://127.0.0.1:{port}/v1", **settings(chat.address))

    with running(config) as daemon:
        daemon.says("audit_log.gap")
        assert daemon.ask("/livez").status_code == 200
        assert daemon.ask("/readyz").status_code == 200
        assert workspace.messages == []
        with listening(organization, port):
            eventually(lambda: workspace.messages)
            eventually(lambda: any(line["gaps"] == 0 for line in daemon.events("snapshot.taken")))
            assert daemon.stop() < 10

    assert len(workspace.messages) == 1, "the first picture that shows anything is the baseline"
    assert not [line for line in daemon.log if "retry" in line["event"]]


@contextmanager
def listening(organization: Organization, port: int) -> Iterator[None]:
    app = create_app(organization, keys={KEY})
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(app, "127.0.0.1", port)):
        yield


def test_systemd_is_told_of_start_life_and_end(tmp_path: Path, chat: slack.Server, api: tuple[str, Starlette]) -> None:
    config = configured(tmp_path, api[0], **settings(chat.address))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        address = str(tmp_path / "notify")
        supervisor.bind(address)
        supervisor.setblocking(False)
        with running(config, {"NOTIFY_SOCKET": address}) as daemon:
            daemon.says("snapshot.taken")
            daemon.stop()
        heard = list(messages(supervisor))

    assert heard[0] == "READY=1"
    assert "WATCHDOG=1" in heard
    assert heard[-1] == "STOPPING=1"


def messages(supervisor: socket.socket) -> Iterator[str]:
    while True:
        try:
            yield supervisor.recv(4096).decode()
        except BlockingIOError:
            return


def test_two_daemons_on_one_store_tell_everything_once(
    tmp_path: Path, chat: slack.Server, organization: Organization, api: tuple[str, Starlette]
) -> None:
    workspace = chat.slack = FakeSlack()
    config = configured(tmp_path, api[0], **settings(chat.address))

    with running(config) as first, running(config) as second:
        eventually(lambda: workspace.messages)
        takeover.disable_scim(organization, int(time.time()))
        eventually(lambda: "scim" in texts(workspace).lower())
        eventually(lambda: len(first.events("snapshot.taken")) + len(second.events("snapshot.taken")) >= 3)
        first.stop()
        second.stop()

    ids = [json.dumps(message.metadata, sort_keys=True) for message in workspace.messages]
    assert len(set(ids)) == len(ids)


def interactive(slack_address: str) -> dict[str, Any]:
    """Settings of a daemon whose messages have buttons, and are one for each finding."""
    route = {"group_by": ["..."], "group_wait": "0s", "group_interval": "0s"}
    sink = slack.by_token(slack_address, app_token=APP_TOKEN, deciders=["U0000000A"], storm={"messages": 1000})
    return {**settings(slack_address), "sinks": {"slack": sink}, "route": route}


def test_what_is_pressed_in_slack_is_decided_in_the_store(
    tmp_path: Path, chat: slack.Server, organization: Organization, api: tuple[str, Starlette]
) -> None:
    workspace = chat.slack = FakeSlack()
    people = Interactive(workspace)
    people.add_person("U0000000A", "ada@example.com")
    config = configured(tmp_path, api[0], **interactive(chat.address))

    with running(config) as daemon:
        daemon.says("snapshot.taken")
        takeover.add_owner(organization, int(time.time()))
        eventually(lambda: "auditor.waive" in str([each.blocks for each in workspace.messages]))
        message = next(each for each in workspace.messages if "auditor.waive" in str(each.blocks))
        assert daemon.metric('auditor_slack_socket_connected{sink="slack"}') == 1

        sent = people.click("U0000000A", message, "auditor.acknowledge")
        assert sent.wait()
        daemon.says("slack.pressed")
        id_ = sent.message["payload"]["actions"][0]["value"]
        with opened(tmp_path) as store, store.transaction() as tx:
            found = findings.by_ids(tx, [id_])[id_]
        assert (found.state, found.decision and found.decision.by) == (State.ACKNOWLEDGED, "ada@example.com")
        assert daemon.metric('auditor_slack_interactions_total{result="acknowledged"}') == 1

        assert people.click("U0000000A", message, "auditor.waive").wait()
        people.wait(lambda: bool(people.views))
        until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
        assert people.submit("U0000000A", people.views[0], "moves in May", until).wait()
        daemon.says("slack.pressed", 3)
        with opened(tmp_path) as store, store.transaction() as tx:
            assert findings.by_ids(tx, [id_])[id_].state is State.WAIVED

        assert daemon.stop() < 10
        people.wait(lambda: not people.connections)
        assert [line for line in daemon.log if APP_TOKEN in str(line) or "ticket-" in str(line)] == []
    assert APP_TOKEN.encode() not in stored_bytes(tmp_path)
    people.close()


def test_a_reload_begins_and_ends_to_listen_to_slack(
    tmp_path: Path, chat: slack.Server, api: tuple[str, Starlette]
) -> None:
    people = Interactive(FakeSlack())
    chat.slack = people.slack
    people.refuse = "invalid_auth"
    config = configured(tmp_path, api[0], **interactive(chat.address))
    connected = 'auditor_slack_socket_connected{sink="slack"}'

    with running(config) as daemon:
        daemon.says("slack.socket_refused")
        assert "app-level token" in daemon.events("slack.socket_refused")[0]["hint"]
        eventually(lambda: daemon.metric(connected) == 0)
        assert daemon.ask("/readyz").status_code == 200, "alerts go out all the same"

        configured(tmp_path, api[0], **settings(chat.address))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("config.reloaded")
        eventually(lambda: daemon.metric(connected) is None)

        people.refuse = ""
        configured(tmp_path, api[0], **interactive(chat.address))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("slack.socket_connected")
        eventually(lambda: daemon.metric(connected) == 1)

        wrong = interactive(chat.address)
        wrong["sinks"]["other"] = slack.by_token(chat.address, app_token=APP_TOKEN)
        configured(tmp_path, api[0], **wrong)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("config.refused")
        assert "different deciders" in daemon.events("config.refused")[0]["error"]
        daemon.stop()
    people.close()


def test_a_configuration_that_is_broken_from_the_start_starts_nothing(tmp_path: Path) -> None:
    config = configured(tmp_path, "http://127.0.0.1:9/v1", web={"listen": "nowhere"})

    done = auditor("run", "-c", config, cwd=tmp_path)

    assert done.code == 2
    assert f"{config}:" in done.err
    assert [file.name for file in tmp_path.iterdir()] == ["auditor.yaml"]


def test_the_page_the_probes_and_the_metrics_answer(daemon: Running) -> None:
    assert daemon.ask("/livez").status_code == 200
    assert daemon.ask("/readyz").status_code == 200
    assert "acme" in daemon.ask("/").text
    assert daemon.ask("/", host="rebound.example.com").status_code == 421
    assert daemon.metric("auditor_store_up") == 1
    assert daemon.metric("auditor_config_last_reload_successful") == 1
    assert (daemon.metric("auditor_config_last_reload_success_timestamp_seconds") or 0) > time.time() - 60
    assert (daemon.metric('auditor_policies{organization="acme",outcome="fail"}') or 0) > 0
    assert (daemon.metric('auditor_api_requests_total{status="200"}') or 0) > 50
    eventually(lambda: daemon.metric('auditor_deliveries_total{result="delivered",sink="slack"}') == 1)


def test_a_broken_configuration_keeps_the_old_one_in_force(daemon: Running, config: Path) -> None:
    good = config.read_text(encoding="utf-8")
    before = len(daemon.events("snapshot.taken"))

    config.write_text(good.replace('"schedule"', '"shedule"'), encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.says("config.refused")
    assert daemon.metric("auditor_config_last_reload_successful") == 0
    assert "did you mean `schedule`" in daemon.events("config.refused")[0]["error"]
    daemon.says("snapshot.taken", before + 2)
    with opened(config.parent) as store, store.transaction() as tx:
        (notice,) = [each for each in outbox.listing(tx) if each.message.id.startswith("notice/configuration/acme/")]
    assert "did you mean `schedule`" in decode(notice.message.alert).text

    config.write_text(good, encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.says("config.reloaded")
    assert daemon.metric("auditor_config_last_reload_successful") == 1


def test_a_reload_takes_new_attestations_and_a_broken_file_of_them_keeps_the_old(daemon: Running, config: Path) -> None:
    good = config.read_text(encoding="utf-8")
    today = datetime.now(UTC).date()
    word = {"setting": "mfa_enforced", "value": True, "by": "ada@example.com", "evidence": "a ticket"}
    file = config.parent / "attestations.yaml"
    file.write_text(json.dumps([word | {"on": f"{today}", "until": f"{today + timedelta(days=9)}"}]), encoding="utf-8")
    config.write_text(json.dumps(json.loads(good) | {"attestations": file.name}), encoding="utf-8")
    refused = len(daemon.events("config.refused"))
    try:
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the word of <bdi>ada@example.com</bdi>" in daemon.ask("/coverage").text)

        file.write_text(json.dumps([word]), encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("config.refused", refused + 1)
        assert "attestations.yaml:1:2: `on` is missing" in daemon.events("config.refused")[-1]["error"]
        daemon.says("snapshot.taken", len(daemon.events("snapshot.taken")) + 2)
        assert "the word of <bdi>ada@example.com</bdi>" in daemon.ask("/coverage").text
    finally:
        config.write_text(good, encoding="utf-8")


def test_a_reload_takes_new_waivers_and_a_broken_file_of_them_keeps_the_old(daemon: Running, config: Path) -> None:
    good = config.read_text(encoding="utf-8")
    today = datetime.now(UTC).date()
    entry = {"id": "keys", "match": {"policy": "key-*"}, "reason": "r", "owner": "ada@example.com", "on": f"{today}"}
    file = config.parent / "waivers.yaml"
    file.write_text(json.dumps([entry | {"until": f"{today + timedelta(days=99)}"}]), encoding="utf-8")
    config.write_text(json.dumps(json.loads(good) | {"waivers": file.name}), encoding="utf-8")
    refused = len(daemon.events("config.refused"))
    try:
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "<bdi>ada@example.com</bdi>" in daemon.ask("/").text)

        file.write_text(json.dumps([entry]), encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("config.refused", refused + 1)
        assert "waivers.yaml:1:2: `until` is missing" in daemon.events("config.refused")[-1]["error"]
        assert "<bdi>ada@example.com</bdi>" in daemon.ask("/").text
    finally:
        config.write_text(good, encoding="utf-8")


def test_a_reload_takes_new_policies_into_use(daemon: Running, config: Path) -> None:
    good = config.read_text(encoding="utf-8")
    before = daemon.metric('auditor_policies{organization="acme",outcome="fail"}')
    assert before
    off = {"overrides": {"owner-outside-groups": {"enabled": False}}}
    config.write_text(json.dumps(json.loads(good) | {"policies": off}), encoding="utf-8")
    policies = daemon.events("started")[0]["policies"]

    daemon.process.send_signal(signal.SIGHUP)

    try:
        eventually(lambda: any(line["policies"] == policies - 1 for line in daemon.events("config.reloaded")))
        eventually(lambda: daemon.metric('auditor_policies{organization="acme",outcome="fail"}') != before)
    finally:
        config.write_text(good, encoding="utf-8")


def test_a_reload_reads_the_registers_and_a_broken_one_leaves_the_last_good_ones(daemon: Running, config: Path) -> None:
    good = config.read_text(encoding="utf-8")
    leavers = config.parent / "leavers.csv"
    unknown = 'auditor_policies{organization="acme",outcome="unknown"}'
    before, refused = daemon.metric(unknown), len(daemon.events("config.refused"))
    assert before
    config.write_text(json.dumps(json.loads(good) | {"registers": {"leavers": "./leavers.csv"}}), encoding="utf-8")
    leavers.write_text("email,left_at\nkim@example.com,soon\n", encoding="utf-8")
    try:
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("config.refused", refused + 1)
        assert "leavers.csv:2:1: `left_at` is no date or time" in daemon.events("config.refused")[-1]["error"]

        leavers.write_text("email,left_at\nkim@example.com,2026-01-01\n", encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: (daemon.metric(unknown) or before) < before)
    finally:
        config.write_text(good, encoding="utf-8")
