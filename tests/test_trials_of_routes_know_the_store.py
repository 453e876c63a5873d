"""`auditor routes test` says of a project what the routes will say of it: by id or name, as it was seen last."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audits import passed, stood
from hostile import PAYLOADS
from organization import NOW, small

from auditor.alerts.route import Routing
from auditor.alerts.teller import Teller
from auditor.cli import call
from auditor.configfile import read
from auditor.simulator.model import Organization
from auditor.store import findings, silences
from auditor.store.database import Store, open_store

CONFIG = """
organizations: {acme: {}, other: {}}
store: sqlite:///STORE
sinks: {named: {type: console}, known: {type: console}, team: {type: console}, rest: {type: console}}
teams: {theirs: {projects: ['NAME*']}}
routes:
  - {match: {project: 'NAME'}, to: [named], continue: true}
  - {match: {project: 'ID'}, to: [known], continue: true}
  - {match: {team: theirs}, to: [team], continue: true}
  - {to: [rest]}
"""


@pytest.fixture
def organization() -> Organization:
    return small()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/auditor.db")
    yield store
    store.close()


def first_project(organization: Organization) -> tuple[str, str]:
    project = next(iter(organization.projects.values()))
    return project.record.id, project.record.name or ""


def configured(folder: Path, id_: str, name: str) -> Path:
    file = folder / "auditor.yaml"
    text = CONFIG.replace("STORE", str(folder / "auditor.db")).replace("NAME", name).replace("ID", id_)
    file.write_text(text)
    return file


def asked(capsys: pytest.CaptureFixture[str], file: Path, *arguments: str) -> tuple[Any, str]:
    capsys.readouterr()  # What a pass before it logged.
    assert call(["routes", "test", *arguments, "-c", str(file), "-o", "json"]) == 0
    told = capsys.readouterr()
    return json.loads(told.out), told.err


def sinks(answer: Any) -> list[str]:
    return [each["sink"] for each in answer["sinks"] if each["sent"]]


async def test_a_project_is_judged_by_id_and_name_whichever_is_given(
    capsys: pytest.CaptureFixture[str], store: Store, organization: Organization, tmp_path: Path
) -> None:
    await stood(store)
    id_, name = first_project(organization)
    file = configured(tmp_path, id_, name)
    teller = Teller({}, Routing(read(file, need_keys=False).config.routing))
    with store.transaction() as tx:
        real = [teller.standing(each) for each in findings.search(tx, "acme")]
    there = next(alert for alert in real if alert.project == id_)
    everywhere = ["named", "known", "team", "rest"]
    assert [goes.sink for goes in teller.routing.destinations(there)] == everywhere
    for given in (id_, name):
        answer, noted = asked(capsys, file, "--project", given)
        assert (sinks(answer), noted) == (everywhere, "")
        assert (answer["project"], answer["project_name"], answer["teams"]) == (id_, name, ["theirs"])


async def test_a_silence_by_name_holds_back_the_project_that_is_given_by_id(
    capsys: pytest.CaptureFixture[str], store: Store, organization: Organization, tmp_path: Path
) -> None:
    await stood(store)
    id_, name = first_project(organization)
    with store.transaction() as tx:
        silences.add(tx, {"project": [name]}, "ada", "moved", now=NOW, starts_at=NOW, ends_at=NOW + 999)
    file = configured(tmp_path, id_, name)
    answer, _ = asked(capsys, file, "--project", id_, "--at", "2026-01-01T00:01:00Z")
    assert sinks(answer) == []
    assert sinks(asked(capsys, file, "--project", id_, "--at", "2026-01-02T00:00:00Z")[0])


async def test_a_new_name_is_known_and_the_old_one_no_more(
    capsys: pytest.CaptureFixture[str], store: Store, organization: Organization, tmp_path: Path
) -> None:
    await stood(store)
    id_, name = first_project(organization)
    organization.projects[id_].record.name = "renamed"
    await passed(organization, store, NOW + 900)
    file = configured(tmp_path, id_, name)
    assert sinks(asked(capsys, file, "--project", "renamed")[0]) == ["known", "rest"]
    answer, noted = asked(capsys, file, "--project", name)
    assert "known" not in sinks(answer)
    assert f"the store has no project `{name}`" in noted


async def test_what_the_store_does_not_know_is_said_and_judged_by_what_was_given(
    capsys: pytest.CaptureFixture[str], store: Store, organization: Organization, tmp_path: Path
) -> None:
    id_, name = first_project(organization)
    file = configured(tmp_path, id_, name)
    assert sinks(asked(capsys, file, "--project", id_)[0]) == ["known", "rest"], "nothing was seen yet"
    await stood(store)
    answer, noted = asked(capsys, file, "--project", id_, "--organization", "other")
    assert sinks(answer) == ["known", "rest"], "another organization has it"
    assert noted.startswith(f"note: the store has no project `{id_}`")
    assert asked(capsys, file)[1] == "", "nothing is said of no project"


async def test_a_name_that_several_projects_have_asks_for_the_id(
    capsys: pytest.CaptureFixture[str], store: Store, organization: Organization, tmp_path: Path
) -> None:
    first, second = list(organization.projects)[:2]
    for each in (first, second):
        organization.projects[each].record.name = "twice"
    await passed(organization, store, NOW)
    file = configured(tmp_path, first, "twice")
    assert call(["routes", "test", "--project", "twice", "-c", str(file)]) == 2
    told = capsys.readouterr().err
    assert "2 projects are named `twice`" in told
    assert first in told
    assert second in told
    assert sinks(asked(capsys, file, "--project", second)[0]) == ["named", "team", "rest"]


def test_hostile_words_drive_no_terminal(capsys: pytest.CaptureFixture[str], store: Store, tmp_path: Path) -> None:
    file = configured(tmp_path, "proj_1", "x")
    assert call(["routes", "test", "--project", " ".join(each[:999] for each in PAYLOADS), "-c", str(file)]) == 0
    told = capsys.readouterr()
    assert "note: the store has no project" in told.err
    assert "\x1b" not in told.out + told.err
