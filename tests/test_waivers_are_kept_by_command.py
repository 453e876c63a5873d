"""`auditor waivers`: add, list, expire and lint, for people and for programs."""

import json
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import configured

from auditor.cli import call
from auditor.findings.model import Finding, identity
from auditor.store import findings
from auditor.store.database import open_store
from auditor.terms import Level, State

NOWHERE = "http://127.0.0.1:9/v1"
HOSTILE = "a\x1b[2J\u202e<!channel>"
ID = identity("acme", "project-key-stale", "project_api_key", ("proj_1", "key_1"))

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A store with one finding."""
    store = open_store(f"sqlite:///{tmp_path}/auditor.db")
    with store.transaction() as tx:
        findings.save(
            tx,
            [
                Finding(
                    id=ID,
                    organization="acme",
                    policy="project-key-stale",
                    kind="project_api_key",
                    ids=("proj_1", "key_1"),
                    name=HOSTILE,
                    level=Level.HIGH,
                    state=State.OPEN,
                    title="Stale key",
                    message=HOSTILE,
                    opened_at=1,
                    seen_at=1,
                    changed_at=1,
                )
            ],
        )
    store.close()
    return configured(tmp_path, NOWHERE)


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = call([*arguments, "-c", str(config)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def add(run: Run, *more: str, warned: str | None = "") -> Any:
    arguments = ("--reason", HOSTILE, "--owner", "ada@example.com", "--until", "30d", "--by", "jo@example.com", *more)
    code, out, err = run("waivers", "add", *arguments, "-o", "json")
    assert code == 0
    assert warned is None or err == warned
    return json.loads(out)


def written(config: Path, more: dict[str, object]) -> Path:
    """The file of waivers, with one that is in force from today on."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    entry = {"id": "old", "match": {"policy": "project-key-stale"}, "reason": "r", "owner": "o", "on": day}
    file = config.parent / "waivers.yaml"
    file.write_text(json.dumps([entry | {"until": f"{int(day[:4]) + 1}-01-01"} | more]), encoding="utf-8")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"waivers": "waivers.yaml"}), encoding="utf-8")
    return file


def listed(run: Run) -> list[Any]:
    code, out, _ = run("waivers", "list", "-o", "json")
    assert code == 0
    entries: list[Any] = json.loads(out)
    return entries


def test_a_finding_is_waived_until_a_day_and_told_again_when_that_is_ended(run: Run) -> None:
    made = add(run, "--finding", ID, "--ticket", "SEC-1")

    assert made["match"] == {
        "policy": ["project-key-stale"],
        "kind": ["project_api_key"],
        "resource": ["proj_1/key_1"],
    }
    assert (made["matches"], made["by"], made["standing"], made["ticket"]) == (1, "jo@example.com", "in force", "SEC-1")
    assert listed(run) == [made]
    assert run("waivers", "lint")[:2] == (0, "nothing is wrong with 1 waiver\n")
    assert run("waivers", "lint", "-o", "json")[:2] == (0, "[]\n")
    code, out, _ = run("waivers", "expire", made["id"], "--by", "bo@example.com")
    assert (code, out) == (0, f"{made['id']} ended; what it covered is told with the next snapshot\n")
    (ended,) = listed(run)
    assert (ended["standing"], ended["ended_by"]) == ("expired", "bo@example.com")
    assert run("waivers", "expire", made["id"])[0] == 2
    assert run("waivers", "expire", "none")[0] == 2


def test_a_glob_of_projects_covers_what_is_in_them(run: Run) -> None:
    about = ("--policy", "project-key-stale", "--project")
    assert add(run, *about, "proj_*")["matches"] == 1
    assert add(run, *about, "proj_2*")["matches"] == 0


def test_people_see_what_a_hostile_name_hides(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    add(run, "--policy", "project-key-*", "--resource-owner", HOSTILE, "--level", "low", "--pin", "name")
    code, out, _ = run("waivers", "list")
    assert code == 0
    assert "policy: project-key-*" in out
    assert "pins name" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_people_read_the_last_day_as_they_wrote_it_and_a_moment_as_that(run: Run) -> None:
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86_400))
    given = ("--policy", "project-key-stale", "--reason", "x", "--owner", "ada@example.com")
    _, out, _ = run("waivers", "add", *given, "--until", day)
    assert out.endswith(f", until {day}\n")
    run("waivers", "add", *given, "--until", f"{day}T08:30:00Z")
    code, out, _ = run("waivers", "list")
    assert code == 0
    assert f" {day} " in out
    assert f" {day}T08:30:00Z " in out
    assert run("waivers", "add", *given, "--until", "365d")[0] == 0


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_nothing_is_decided_by_nobody(run: Run, name: str) -> None:
    made = add(run, "--finding", ID)
    given = ("--reason", "x", "--owner", "bo@example.com", "--until", "30d", "--policy", "project-key-stale")
    for command in (("findings", "ack", ID), ("waivers", "add", *given), ("waivers", "expire", made["id"])):
        code, out, err = run(*command, "--by", name)
        assert (code, out) == (2, "")
        assert "whoever decides has a name of 1 to 200 characters" in err
    assert listed(run) == [made]
    code, _, _ = run("waivers", "expire", made["id"], "--by", f" {'x' * 200} ")
    assert (code, listed(run)[0]["ended_by"]) == (0, "x" * 200)


def limit(config: Path, days: int) -> None:
    settings = json.loads(config.read_text()) | {"findings": {"max_waiver": f"{days}d"}}
    config.write_text(json.dumps(settings), encoding="utf-8")


def test_a_waiver_ends_earlier_where_the_longest_one_is_shorter_now(run: Run, config: Path) -> None:
    made = add(run, "--finding", ID, "--until", "360d")
    assert run("waivers", "lint")[0] == 0
    limit(config, 30)
    (shown,) = listed(run)
    begun = datetime.fromisoformat(made["on"])
    assert datetime.fromisoformat(shown["until"]) == begun + timedelta(days=30)
    last = (begun + timedelta(days=30)).date()
    code, out, _ = run("waivers", "lint", "-o", "json")
    assert (code, json.loads(out)[0]["faults"]) == (3, [f"longer than findings.max_waiver allows: ends {last}"])
    assert shown["standing"] == "in force"
    limit(config, 360)
    assert listed(run) == [made]


def test_a_glob_that_fits_no_policy_is_named_like_a_name(run: Run) -> None:
    add(run, "--policy", "project-key-*")
    code, out, err = run(
        "waivers", "add", "--policy", "Project-key-*", "--reason", "x", "--owner", "o", "--until", "9d"
    )
    assert code == 0
    assert err.startswith("warning: no policy is named `Project-key-*`: ")
    code, out, _ = run("waivers", "lint", "-o", "json")
    assert code == 3
    ((fault,),) = [each["faults"] for each in json.loads(out)]
    assert fault.startswith("no policy is named `Project-key-*`: ")


def test_what_is_wrong_with_waivers_is_named_and_ends_with_3(run: Run) -> None:
    unknown = "no policy is named `project-key-stal`: did you mean `project-key-stale`?"
    broad = "too broad: it names no policy and no resource"
    made = add(run, "--policy", "project-key-stal", warned=f"warning: {unknown}\n")
    assert made["faults"] == [unknown]
    add(run, "--kind", "user", warned=f"warning: {broad}\n")
    code, out, _ = run("waivers", "lint", "-o", "json")
    assert code == 3
    assert sorted(fault for each in json.loads(out) for fault in each["faults"]) == [
        unknown,
        broad,
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--until", "365d1s", "--policy", "x"), "365 days at most"),
        (("--until", "2020-01-01", "--policy", "x"), "`until` lies in the past, and must be later than now"),
        (("--until", "30d", "--policy", "x", "--reason", " "), "`reason`: must not be blank"),
        (("--until", "30d", "--policy", "x", "--owner", ""), "`owner`: must not be blank"),
        (("--until", "30d", "--policy", " "), "`policy`: must be a text or a list of texts, none of them empty"),
        (("--until", "30d"), "must be a mapping that names something"),
        (("--until", "30d", "--policy", "x", "--pin", "role", "--pin", "name=ci"), "not both in one waiver"),
        (("--until", "30d", "--policy", "x", "--pin", "rol"), "has a field `rol`"),
        (("--until", "30d", "--policy", "audit-log-unreadable"), "findings of audit-log-unreadable cannot be waived"),
        (
            ("--until", "30d", "--finding", ID, "--policy", "x", "--project", "proj_1"),
            "--finding says what it is about",
        ),
        (("--until", "30d", "--finding", ID, "--level", "low"), "--finding says what it is about"),
        (("--until", "30d", "--finding", "none"), "there is no finding 'none'"),
        (("--until", "30d", "--policy", "x", "--organization", "acne"), "did you mean `acme`?"),
    ],
)
def test_a_waiver_that_cannot_be_is_refused_and_nothing_is_kept(run: Run, more: tuple[str, ...], message: str) -> None:
    code, out, err = run("waivers", "add", "--reason", "x", "--owner", "ada@example.com", *more)
    assert (code, out) == (2, "")
    assert message in err
    assert listed(run) == []


def test_what_nobody_can_waive_is_named(run: Run, config: Path) -> None:
    given = ("--reason", "x", "--owner", "ada@example.com", "--until", "30d")
    code, _, err = run("waivers", "add", "--policy", "auditor-key-*", "--policy", "project-key-stale", *given)
    assert (code, err) == (0, "warning: it does not cover what auditor-key-ending finds: nobody can waive that\n")
    written(config, {"match": {"policy": "audit-log-*"}})
    code, out, _ = run("waivers", "lint", "-o", "json")
    assert code == 3
    ((fault,),) = [each["faults"] for each in json.loads(out)]
    assert fault.startswith("in vain: findings of audit-log-hole, audit-log-")
    assert fault.endswith(" cannot be waived")


@pytest.mark.parametrize("written", [("--state", "open"), ("--state", "OPEN", "--level", "High"), ("--state", "All")])
def test_states_and_levels_are_read_in_any_case_and_shown_in_lower_case(run: Run, written: tuple[str, ...]) -> None:
    code, out, err = run("findings", "list", *written, "-o", "json")
    assert (code, err) == (0, "")
    assert [each["id"] for each in json.loads(out)] == [ID]
    assert json.loads(run("findings", "list", "--state", "resolved", "-o", "json")[1]) == []
    assert "open|acknowledged|waived|resolved|reopened|all" in "".join(run("findings", "list", "--help")[1].split())


def test_of_the_many_names_that_there_are_some_are_told(run: Run) -> None:
    for arguments in (("findings", "list", "--policy", "zzz"), ("policies", "show", "zzz")):
        code, _, err = run(*arguments)
        assert code == 2
        (told,) = [line for line in err.splitlines() if "known policies: " in line]
        assert told.count(", ") == 9
        assert re.search(r" and 1\d\d more\b", told)
    made = add(run, "--policy", "zzz", warned=None)
    assert made["faults"][0].count(", ") == 9


def test_the_waivers_of_the_file_are_listed_as_it_says_today(run: Run, config: Path) -> None:
    file = written(config, {})

    (one,) = listed(run)
    assert (one["id"], one["origin"], one["standing"], one["matches"]) == ("old", "file", "in force", 0)
    code, _, err = run("waivers", "expire", "old")
    assert code == 2
    assert "the waiver old stands in the file of waivers" in err
    file.write_text("- {id: old}", encoding="utf-8")
    code, _, err = run("waivers", "list")
    assert code == 2
    assert "waivers.yaml:1:3: `match` is missing" in err
    file.unlink()
    assert "there is no file" in run("waivers", "list")[2]
