"""Rules of what goes wrong: what a file may say, what is told of one that says something else, when a rule strikes."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from organization import KEY, served, small
from starlette.applications import Starlette

from auditor.errors import ConfigError, FaultyFiles
from auditor.simulator.faults.choice import Faults
from auditor.simulator.faults.file import parse, read
from auditor.simulator.faults.rules import Body, Match, Page, Plan, Rule, Status

GOOD = """\
largest_page: 5
rules:
  - match: {path: "*/users", page: 2, window: [0, 90]}
    do: {status: 429, retry_after: 3}
    times: 2
  - match: {kind: project_api_key, project: proj_1, nth: 7}
    do: {reset: mid_body, after_bytes: 512}
  - do: {page: vanished, status: 404}
"""


def test_a_file_says_what_goes_wrong_and_when(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(GOOD)
    plan = read(file)
    assert plan.largest_page == 5
    assert plan.rules[0] == Rule(
        match=Match(path="*/users", page=2, window=[0, 90]), do=Status(status=429, retry_after=3), times=2
    )
    assert plan.rules[2].do == Page(page="vanished", status=404)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("rules:\n  - do: {status: 429}\n    time: 2\n", "f.yaml:3:5", "`rules.0.time`: unknown key"),
        ("rules:\n  - do:\n      status: 429\n      retry: 2\n", "f.yaml:4:7", "`rules.0.do.retry`: unknown key"),
        ("rules:\n  - do: {status: many}\n", "f.yaml:2:10", "`rules.0.do.status`"),
        ("rules:\n  - do: {explode: true}\n", "f.yaml:2:5", "one of status, delay, answer"),
        ("rules:\n  - match: {page: 0}\n    do: {answer: never}\n", "f.yaml:2:13", "greater than or equal to 1"),
        ("rules:\n  - do: {body: half}\n", "f.yaml:2:10", "'truncated'"),
        ("- rules\n", "f.yaml:1:1", "one YAML mapping"),
    ],
)
def test_a_fault_of_the_file_is_told_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(FaultyFiles) as faulty:
        parse(text, "f.yaml")
    (fault,) = faulty.value.faults
    assert str(fault).startswith(place)
    assert words in str(fault)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the faults"):
        read(tmp_path / "none.yaml")


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Starlette]]:
    with served(small()) as (address, app):
        yield address, app


@pytest.fixture
def http(server: tuple[str, Starlette]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server[0], headers={"Authorization": f"Bearer {KEY}"}, trust_env=False) as client:
        yield client
    server[1].state.faults.rules()


def statuses(http: httpx.Client, *paths: str) -> list[int]:
    return [http.get(path).status_code for path in paths]


def test_the_first_rule_that_matches_strikes_as_often_as_it_may(
    http: httpx.Client, server: tuple[str, Starlette]
) -> None:
    faults: Faults = server[1].state.faults
    faults.rules(
        Rule(match=Match(path="/organization/users"), do=Status(status=503), times=2),
        Rule(match=Match(kind="user"), do=Status(status=401)),
        Rule(match=Match(kind="group", nth=2), do=Status(status=404)),
    )
    assert statuses(http, *["/organization/users"] * 3) == [503, 503, 401]
    assert statuses(http, *["/organization/groups"] * 3) == [200, 404, 200]
    assert faults.struck == (2, 1, 1)


def test_a_page_is_known_by_its_cursor_so_a_second_try_is_the_same_page(
    http: httpx.Client, server: tuple[str, Starlette]
) -> None:
    server[1].state.faults.rules(Rule(match=Match(kind="user", page=2), do=Status(status=503), times=2))
    cursor = http.get("/organization/users?limit=5").json()["last_id"]
    again = f"/organization/users?limit=5&after={cursor}"
    assert statuses(http, again, again, again) == [503, 503, 200]
    other = http.get(again).json()["last_id"]
    assert statuses(http, f"/organization/users?limit=5&after={other}") == [200]


def test_a_rule_may_be_for_one_project(http: httpx.Client, server: tuple[str, Starlette]) -> None:
    one, other = [each["id"] for each in http.get("/organization/projects").json()["data"][:2]]
    server[1].state.faults.rules(Rule(match=Match(project=one), do=Status(status=403)))
    paths = (f"/organization/projects/{project}/users" for project in (one, other))
    assert statuses(http, *paths) == [403, 200]


def test_a_window_opens_and_closes() -> None:
    time = [100.0]
    rule = Rule(match=Match(window=[10, 20]), do=Status(status=500))
    faults = Faults(Plan(rules=(rule,)), monotonic=lambda: time[0])
    found = []
    for now in (109, 110, 119, 120):
        time[0] = now
        found.append(faults.choose(faults.asked("/x", None, [])) is not None)
    assert found == [False, True, True, False]


def test_pages_can_be_made_small(http: httpx.Client, server: tuple[str, Starlette]) -> None:
    server[1].state.faults.rules(largest_page=3)
    body = http.get("/organization/users?limit=100").json()
    assert (len(body["data"]), body["has_more"]) == (3, True)


def test_the_ledger_holds_what_went_out_and_not_what_a_fault_kept_back(
    http: httpx.Client, server: tuple[str, Starlette]
) -> None:
    ledger = server[1].state.ledger
    ledger.clear()
    server[1].state.faults.rules(
        Rule(do=Page(page="without_first"), times=1),
        Rule(do=Body(body="truncated"), times=1),
    )
    data = http.get("/organization/users?limit=5").json()["data"]
    assert ledger.items("user") == [each["id"] for each in data]
    assert len(data) == 4
    http.get("/organization/users?limit=5")
    assert len(ledger.items("user")) == 4
