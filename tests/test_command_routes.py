"""`auditor routes`: where an alert would go, and why, in words and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from auditor import clock
from auditor.cli import call
from auditor.store import silences
from auditor.store.database import open_store

CONFIG = """
organizations: {acme: {}, other: {}}
store: sqlite:///STORE
sinks: {oncall: {type: console}, chat: {type: console}, ops: {type: console}}
operators: [ops]
teams: {platform: {projects: ['proj_1'], owners: ['*@platform.example.com']}}
time_intervals:
  - name: nights
    time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}], location: Europe/Berlin}]
routes:
  - {match: {level: critical}, to: [oncall], continue: true, group_wait: 2s}
  - match: {team: platform}
    to: [chat]
    mute_time_intervals: [nights]
    routes:
      - {match: {tag: 'attack.*'}, to: [oncall]}
"""
DAY, NIGHT = "2026-06-01T12:00:00+02:00", "2026-06-01T21:30:00"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "auditor.yaml"
    path.write_text(CONFIG.replace("STORE", str(tmp_path / "auditor.db")))
    return path


def said(capsys: pytest.CaptureFixture[str], file: Path, *arguments: str) -> str:
    assert call(["routes", *arguments, "-c", str(file)]) == 0
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], file: Path, *arguments: str) -> Any:
    return json.loads(said(capsys, file, *arguments, "-o", "json"))


def test_every_route_that_is_tried_is_told_with_its_reason(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    out = said(capsys, file, "test", "--level", "critical", "--project", "proj_1", "--at", DAY)
    assert out.splitlines() == [
        "route (everything): matches",
        "  routes.0 (level=critical): takes it -> oncall",
        "  routes.1 (team=platform): takes it -> chat",
        "    routes.1.routes.0 (tag=attack.*): no: tag is not known, not attack.*",
        "routes.0: after 2s, 5m after the last message of its group",
        "routes.1: after 1s, 5m after the last message of its group",
        "oncall: is told",
        "chat: is told",
    ]


def test_level_tags_and_kind_come_from_the_policy(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    told = document(capsys, file, "test", "--policy", "scim-disabled", "--owner", "ada@platform.example.com")
    assert (told["policy"], told["teams"]) == ("scim-disabled", ["platform"])
    assert [(each["route"], each["took"]) for each in told["tried"] if each["matched"]][-1] == (
        "routes.1.routes.0",
        True,
    )
    assert [each["sink"] for each in told["sinks"]] == ["oncall"]


@pytest.mark.parametrize(
    ("policy", "asked", "told"),
    [
        ("scim-disabled", [], "occurrence"),
        ("password-spray", [], "occurrence"),
        ("project-key-stale", [], "finding"),
        ("scim-disabled", ["--class", "notice"], "finding"),
        ("project-key-stale", ["--class", "occurrence"], "occurrence"),
    ],
)
def test_the_class_comes_from_the_policy_too_unless_it_is_given(
    capsys: pytest.CaptureFixture[str], file: Path, policy: str, asked: list[str], told: str
) -> None:
    happens = "routes: [{match: {class: occurrence}, to: [oncall]}, {match: {class: finding}, to: [chat]}]\n"
    file.write_text(CONFIG.replace("STORE", f"{file.parent}/auditor.db").partition("routes:")[0] + happens)
    answer = document(capsys, file, "test", "--policy", policy, *asked)
    assert answer["class"] == told
    assert [each["sink"] for each in answer["sinks"]] == [{"occurrence": "oncall", "finding": "chat"}[told]]


def test_a_muted_route_is_told_at_the_time_that_is_asked_for(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    chat = {"sink": "chat", "sent": False, "held_by": "routes.1 is muted during `nights`"}
    assert document(capsys, file, "test", "--team", "platform", "--at", NIGHT)["sinks"] == [chat]
    out = said(capsys, file, "test", "--team", "platform", "--at", NIGHT)
    assert "chat: held back: routes.1 is muted during `nights`" in out


def test_a_silence_of_the_store_is_told_and_holds_back_nothing_that_is_protected(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    now = clock.epoch(clock.now())
    store = open_store(f"sqlite:///{file.parent}/auditor.db")
    with store.transaction() as tx:
        made = silences.add(tx, {"team": ["platform"]}, "ada", "moving", now=now, starts_at=now - 9, ends_at=now + 999)
    store.close()
    (chat,) = document(capsys, file, "test", "--team", "platform", "--at", clock.from_epoch(now).isoformat())["sinks"]
    assert chat["held_by"] == f"silence {made.id} by ada: moving"
    noon = document(capsys, file, "test", "--policy", "audit-log-hole", "--team", "platform")
    assert [(each["sink"], each["sent"]) for each in noon["sinks"]] == [("ops", True), ("chat", True)]
    (waits,) = [each for each in noon["tried"] if each["took"] and each["to"] == ["chat"]]
    assert (waits["group_wait"], waits["group_interval"]) == (1, 0)


def test_what_goes_to_nobody_is_said(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    out = said(capsys, file, "test", "--level", "low")
    assert "nobody is told" in out


def test_notices_go_to_the_operators(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    told = document(capsys, file, "test", "--class", "notice", "--level", "critical")
    assert [each["route"] for each in told["tried"]] == ["operators"]
    assert [each["sink"] for each in told["sinks"]] == ["ops"]


def test_a_digest_goes_where_digests_go_and_where_each_of_its_lines_goes(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    routes = """routes:
  - {match: {class: digest}, to: [ops]}
  - {match: {class: occurrence}, to: [oncall]}
  - {match: {class: finding}, to: [chat]}
"""
    file.write_text(CONFIG.replace("STORE", f"{file.parent}/auditor.db").partition("routes:")[0] + routes)
    assert said(capsys, file, "test", "--class", "digest").splitlines() == [
        "as digest:",
        "route (everything): matches",
        "  routes.0 (class=digest): takes it -> ops",
        "as finding:",
        "route (everything): matches",
        "  routes.0 (class=digest): no: class is finding, not digest",
        "  routes.1 (class=occurrence): no: class is finding, not occurrence",
        "  routes.2 (class=finding): takes it -> chat",
        "routes.0: after 1s, 5m after the last message of its group",
        "routes.2: after 1s, 5m after the last message of its group",
        "ops: is told",
        "chat: is told",
    ]
    told = document(capsys, file, "test", "--class", "digest", "--policy", "scim-disabled")
    assert (told["class"], [each["sink"] for each in told["sinks"]]) == ("digest", ["ops", "oncall"])
    assert [(each["as"], each["route"]) for each in told["tried"] if each["took"]] == [
        ("digest", "routes.0"),
        ("occurrence", "routes.1"),
    ]


def test_a_report_goes_where_the_reports_go(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    nobody = [
        "no route takes a report: it goes to the sinks of `reports.to`",
        "nobody is told: it is a file in `reports.directory`",
    ]
    assert said(capsys, file, "test", "--class", "report").splitlines() == nobody
    file.write_text(file.read_text() + "  - {to: [ops]}\nreports: {to: [chat]}\n")
    assert said(capsys, file, "test", "--class", "report").splitlines() == [nobody[0], "chat: is told"]
    told = document(capsys, file, "test", "--class", "report")
    assert (told["class"], told["level"], told["tried"]) == ("report", "informational", [])
    assert [each["sink"] for each in told["sinks"]] == ["chat"]
    now = clock.epoch(clock.now())
    store = open_store(f"sqlite:///{file.parent}/auditor.db")
    with store.transaction() as tx:
        match = {"class": ["report"], "level": ["informational"]}
        silences.add(tx, match, "ada", "holidays", now=now, starts_at=now - 9, ends_at=now + 999)
    store.close()
    (chat,) = document(capsys, file, "test", "--class", "report")["sinks"]
    assert chat["held_by"].endswith("by ada: holidays"), "a silence may name the class"


def test_the_tree_is_shown_with_what_each_route_takes_from_above(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    out = said(capsys, file, "show")
    assert "    routes.1.routes.0: tag=attack.* -> oncall" in out
    assert "muted nights" in out
    shown = document(capsys, file, "show")
    assert [each["name"] for each in shown] == ["operators", "route", "routes.0", "routes.1", "routes.1.routes.0"]
    assert shown[2]["urgent"] == {"group_wait": 2, "group_interval": 300, "repeat_interval": 86_400}
    assert (shown[3]["mute_time_intervals"], shown[4]["mute_time_intervals"]) == (["nights"], [])


def test_the_times_of_both_kinds_of_levels_are_shown_as_people_write_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = said(capsys, file, "show").splitlines()
    defaults = "  by organization policy, wait 1s, below high 30s, interval 5m, again 24h, below high never"
    assert [line for line in out if line.startswith("route:")] == [f"route: everything -> nobody{defaults}"]
    assert "wait 2s, interval 5m, again 24h, below high never, continue" in out[2]
    file.write_text(file.read_text() + "route: {group_interval: 90m, repeat_interval: 0s}\n")
    assert "interval 1h30m, again never" in said(capsys, file, "show").splitlines()[1]


@pytest.mark.parametrize("text", ["0s", "90s", "5m", "2m10s", "24h", "36h", "2d", "30d", "2d12h"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert clock.written(clock.duration(text)) == text


def test_a_route_for_events_is_shown_beside_the_tree(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    file.write_text(file.read_text() + "  - {events: all, to: [chat, ops]}\n")
    assert said(capsys, file, "show").splitlines()[-1] == "every audit event, beside the tree -> chat, ops"
    assert "routes.2" not in [each["name"] for each in document(capsys, file, "show")]


FAULTS = {
    "a policy that is none": (["--policy", "scim-disable"], "did you mean `scim-disabled`?"),
    "a team that is none": (["--team", "platfrom"], "no team is named `platfrom`\n hint: did you mean `platform`?"),
    "a kind that is none": (["--kind", "project_api_keys"], "did you mean `project_api_key`?"),
    "an organization that is none": (["--organization", "acne"], "did you mean `acme`?"),
    "a time that is none": (["--at", "noon"], "is no time"),
    "a time before all": (["--at", "0001-01-01T00:00:00+14:00"], "write a time from 1970 to 9999"),
    "a time before 1970": (["--at", "1969-12-31T23:59:59Z"], "write a time from 1970 to 9999"),
    "a time after all": (["--at", "9999-12-31T23:59:59-14:00"], "write a time from 1970 to 9999"),
    "a time that is over somewhere": (["--at", "9999-12-31T12:00:00Z"], "write a time from 1970 to 9999"),
    "a level that is none": (["--level", "severe"], "severe"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_question_that_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], file: Path, fault: str) -> None:
    arguments, message = FAULTS[fault]
    assert call(["routes", "test", *arguments, "-c", str(file)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00Z", "9999-12-30T23:59:59Z", "1970-01-02T00:00:00+23:59"])
def test_every_time_that_is_taken_can_be_judged_in_every_place(
    capsys: pytest.CaptureFixture[str], file: Path, at: str
) -> None:
    places = "".join(
        f"  - {{name: {i}, time_intervals: [{{years: ['1900'], location: {place}}}]}}\n"
        for i, place in enumerate(["Etc/GMT+12", "Etc/GMT-14", "Pacific/Kiritimati", "Pacific/Niue"])
    ).replace("name: ", "name: at")
    muted = "    mute_time_intervals: [nights, at0, at1, at2, at3]\n"
    text = file.read_text().replace("routes:\n", f"{places}routes:\n", 1)
    file.write_text(text.replace("    mute_time_intervals: [nights]\n", muted))
    (chat,) = document(capsys, file, "test", "--team", "platform", "--at", at)["sinks"]
    assert chat["sink"] == "chat"


STRANGERS = """
  - match: {policy: [project-key-stal, 'project-key-*', 'scim-[d]isabled'], kind: project_api_keys}
    to: chat
    routes: [{match: {kind: [audit_log, audit_events]}}]
inhibit_rules: [{source_match: {policy: scim-disable}, target_match: {kind: user}}]
"""


@pytest.mark.parametrize("asked", [["routes", "show"], ["routes", "test"], ["check"]])
def test_a_route_for_what_there_is_not_is_refused(
    capsys: pytest.CaptureFixture[str], file: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    text = CONFIG.replace("STORE", f"{file.parent}/auditor.db").replace("{acme: {}, other: {}}", "{acme: {}}")
    file.write_text(text.rstrip("\n") + STRANGERS)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-none")
    assert call([*asked, "-c", str(file)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {file}:17:22: no policy is named `project-key-stal` (did you mean `project-key-stale`?)",
        f"error: {file}:17:57: no policy is named `scim-[d]isabled` (did you mean `scim-disabled`?)",
        f"error: {file}:17:77: no kind is named `project_api_keys` (did you mean `project_api_key`?)",
        f"error: {file}:19:41: no kind is named `audit_events` (did you mean `audit_event`?)",
        f"error: {file}:20:33: no policy is named `scim-disable` (did you mean `scim-disabled`?)",
    ]


def test_a_route_may_name_a_policy_that_is_switched_off(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    off = "policies: {overrides: {scim-disabled: {enabled: false}}}\n"
    file.write_text(file.read_text() + "  - {match: {policy: scim-disabled}, to: ops}\n" + off)
    assert "policy=scim-disabled -> ops" in said(capsys, file, "show")
