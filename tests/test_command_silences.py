"""`auditor silences`: who silences what, for how long, and what no silence can hold back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import PAYLOADS

from auditor.alerts.protected import beyond
from auditor.cli import call
from auditor.policy.model import Policy
from auditor.routing import Match
from auditor.store.database import open_store
from auditor.terms import Level

CONFIG = """
organizations: {acme: {}}
store: sqlite:///STORE
silences: {maximum: 3d}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "auditor.yaml"
    path.write_text(CONFIG.replace("STORE", str(tmp_path / "auditor.db")))
    open_store(f"sqlite:///{tmp_path}/auditor.db").close()
    return path


def added(capsys: pytest.CaptureFixture[str], file: Path, *arguments: str) -> Any:
    words = ["--author", "ada", "--comment", "known", "-o", "json", "-c", str(file)]
    assert call(["silences", "add", *arguments, *words]) == 0
    return json.loads(capsys.readouterr().out)


def listed(capsys: pytest.CaptureFixture[str], file: Path, *arguments: str) -> Any:
    assert call(["silences", "list", "-o", "json", "-c", str(file), *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_silence_is_added_listed_and_expired(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    made = added(
        capsys, file, "--match", "policy=key-*", "--match", "policy=other", "--match", "level=low", "--for", "2h"
    )
    assert made["match"] == {"level": ["low"], "policy": ["key-*", "other"]}
    assert (made["author"], made["comment"], made["state"]) == ("ada", "known", "active")
    assert listed(capsys, file) == [made]
    assert call(["silences", "expire", made["id"], "-c", str(file)]) == 0
    assert capsys.readouterr().out == f"silence {made['id']} is over\n"
    assert listed(capsys, file) == []
    (over,) = listed(capsys, file, "--expired")
    assert over["state"] == "expired"
    assert call(["silences", "expire", made["id"], "-c", str(file)]) == 2


def test_a_silence_may_leave_something_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = ["--match", "policy = key-*", "--match", "level!=high", "--match", "team!=core", "--match", "level!=low"]
    made = added(capsys, file, *words, "--for", "2h")
    assert made["match"] == {"policy": ["key-*"], "not": {"level": ["high", "low"], "team": ["core"]}}
    assert listed(capsys, file) == [made]
    assert call(["silences", "list", "-c", str(file)]) == 0
    assert "policy=key-* level!=high,low team!=core" in capsys.readouterr().out


def test_a_silence_may_begin_later(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    assert added(capsys, file, "--match", "level=low", "--for", "2h", "--in", "1h")["state"] == "pending"


def comments() -> Iterator[str]:
    """All payloads that fit into one, as few as hold them."""
    comment = ""
    for payload in PAYLOADS:
        if len(comment) + len(payload) >= 1000:
            yield comment
            comment = ""
        comment += f"{payload[:999]} "
    yield comment


def test_the_table_shows_hostile_words_without_driving_the_terminal(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    for comment in comments():
        words = ["--match", "level=low", "--for", "1h", "--comment", comment, "-c", str(file)]
        assert call(["silences", "add", *words]) == 0
    capsys.readouterr()
    assert call(["silences", "list", "-c", str(file)]) == 0
    out = capsys.readouterr().out
    assert "level=low" in out
    assert "\x1b" not in out


FAULTS = {
    "longer than allowed": (["--match", "level=low", "--for", "4d"], "at most 72h"),
    "no time at all": (["--match", "level=low", "--for", "0s"], "more than nothing"),
    "a duration that is none": (["--match", "level=low", "--for", "soon"], "must be a duration"),
    "a beginning that no calendar has": (
        ["--match", "level=low", "--for", "1h", "--in", "3000000d"],
        "Invalid value for --in: 3000000d from now is after the year 9999: write 2h or 3d",
    ),
    "an end that no calendar has": (
        ["--match", "level=low", "--for", "3d", "--in", "999999999w"],
        "after the year 9999",
    ),
    "nothing to match": (["--for", "1h"], "Missing option '--match'"),
    "a key that is none": (["--match", "levle=low", "--for", "1h"], "did you mean `level`?"),
    "a level that is none": (["--match", "level=hgih", "--for", "1h"], "no such level: did you mean `high`?"),
    "a class that is none": (
        ["--match", "class=alarm", "--for", "1h"],
        "no such class: known values: digest",
    ),
    "a word of Alertmanager's": (["--match", "alertname=x", "--for", "1h"], "`alertname` is `policy` here"),
    "a regular expression": (["--match", "policy=~key.*", "--for", "1h"], "write policy=VALUE, with * and ?"),
    "only what is not": (["--match", "level!=low", "--for", "1h"], "would silence all the rest"),
    "an expression that is not": (["--match", "owner!~a.*", "--for", "1h"], "write owner!=VALUE, with * and ?"),
    "a level that is not, nor anything": (
        ["--match", "policy=x", "--match", "level!=lwo", "--for", "1h"],
        "no such level: did you mean `low`?",
    ),
    "a matcher without a value": (["--match", "level", "--for", "1h"], "write level=VALUE"),
    "an organization that is none": (["--match", "organization=acne", "--for", "1h"], "did you mean `acme`?"),
    "a flood of a comment": (["--match", "level=low", "--for", "1h", "--comment", "x" * 1001], "1 to 1000 characters"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_silence_that_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], file: Path, fault: str) -> None:
    arguments, message = FAULTS[fault]
    comment = [] if "--comment" in arguments else ["--comment", "why"]
    assert call(["silences", "add", *arguments, *comment, "-c", str(file)]) == 2
    assert message in capsys.readouterr().err
    assert listed(capsys, file) == []


def test_a_silence_that_would_match_what_nothing_holds_back_says_so(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    call(["silences", "add", "--match", "policy=audit-log-*", "--for", "1h", "--comment", "why", "-c", str(file)])
    warned = capsys.readouterr().err.splitlines()
    assert "warning: it does not hold back audit-log-hole: nothing does" in warned
    own = ("--match", "policy=auditor-key-ending", "--for", "1h")
    call(["silences", "add", *own, "--comment", "why", "-c", str(file)])
    assert capsys.readouterr().err == "warning: it does not hold back auditor-key-ending: nothing does\n"
    call(["silences", "add", "--match", "policy=key-*", "--for", "1h", "--comment", "why", "-c", str(file)])
    assert capsys.readouterr().err == ""


def test_a_name_that_nothing_has_yet_is_said(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    names = ["policy=project-key-stal", "policy=key-*", "kind=project_api_keys", "team=core"]
    asked = [word for name in names for word in ("--match", name)]
    assert call(["silences", "add", *asked, "--for", "1h", "--comment", "why", "-c", str(file)]) == 0
    nothing = "so it holds back nothing until there is one"
    assert capsys.readouterr().err.splitlines() == [
        f"warning: no policy is named `project-key-stal`, {nothing} (did you mean `project-key-stale`?)",
        f"warning: no team is named `core`, {nothing} (there are no teams)",
        f"warning: no kind is named `project_api_keys`, {nothing} (did you mean `project_api_key`?)",
    ]
    assert len(listed(capsys, file)) == 1


HOLE = Policy("audit-log-hole", "T", "audit_log", Level.HIGH)
MARKED = Policy("mine", "T", "project_api_key", Level.LOW, tags=("auditor.unmutable",))
PLAIN = Policy("plain", "T", "project_api_key", Level.LOW)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"level": "high"}, ["notices", "audit-log-hole"]),
        ({"class": "notice"}, ["notices"]),
        ({"level": "low"}, ["mine"]),
        ({"project": "proj_1"}, ["mine"]),
        ({"policy": "plain"}, []),
        ({"kind": "audit_log", "level": "low"}, []),
        ({"organization": "other"}, []),
        ({"tag": "auditor.*"}, ["mine"]),
        ({"policy": "*", "not": {"policy": "audit-*"}}, ["mine"]),
        ({"policy": "*", "not": {"project": "proj_1"}}, ["audit-log-hole", "mine"]),
    ],
)
def test_what_a_silence_cannot_hold_back_is_known_before_it_happens(match: dict[str, Any], expected: list[str]) -> None:
    found = beyond(Match.model_validate(match), [HOLE, MARKED, PLAIN], ["acme"])
    assert [name.split()[0] for name in found] == expected
