"""Every answer of the simulator against the published description: by default it knows no value that is newer."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from organization import KEY, NOW, served, small
from pydantic import SecretStr
from sdk import paths, pattern

from auditor.adminapi.client import AdminClient
from auditor.adminapi.paging import path_of
from auditor.adminapi.resources import AUDIT_LOG_PATH, RESOURCES
from auditor.adminapi.resourcetypes import Paging
from auditor.inventory.collect import collect
from auditor.inventory.model import Snapshot
from auditor.inventory.schema import ancestors
from auditor.simulator.newest import EVENT_TYPES, RESIDENCIES, add
from auditor.simulator.organization import Organization
from auditor.simulator.server import endpoints

PUBLISHED: Mapping[str, Any] = json.loads((Path(__file__).parent / "published_api.json").read_text(encoding="utf-8"))
"""Schemas by path, from the published OpenAPI description, version 2.3.0."""


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "$defs": PUBLISHED["$defs"]})


VALIDATORS = {pattern(path): validator(schema) for path, schema in PUBLISHED["paths"].items()}
Answers = Mapping[str, list[Any]]
"""Bodies by path, ids left out."""


async def snapshot_of(address: str) -> Snapshot:
    async with AdminClient(SecretStr(KEY), base_url=address, requests_per_minute=100_000) as client:
        return await collect(client, "acme", NOW)


def questions(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Path as a pattern and the path itself, with its query: every list, every setting, every object by its id."""
    readable = {pattern(each.path) for each in endpoints() if each.path.endswith("/{id}")}
    for kind in RESOURCES:
        collection = snapshot.collection(kind.name)
        for scope in {line.scope for line in snapshot.coverage if line.kind == kind.name}:
            path = path_of(kind, dict(zip(ancestors(kind.name), scope, strict=True)))
            query = str(httpx.QueryParams(dict(kind.params) | ({"limit": str(kind.limit)} if kind.limit else {})))
            yield pattern(kind.path), path + (f"?{query}" if kind.paging is not Paging.SINGLE else "")
            if pattern(kind.path) + "/{}" not in readable:
                continue
            for record in collection.records:
                if record.ids[:-1] == scope:
                    yield pattern(kind.path) + "/{}", f"{path}/{record.id}"


def questions_of_time() -> Iterator[tuple[str, str]]:
    """The same for the audit log, both of its streams, and for the reports of usage and costs."""
    for number in range(-60, 1):
        window = f"limit=100&effective_at[gte]={NOW + 86_400 * number}&effective_at[lt]={NOW + 86_400 * (number + 1)}"
        yield AUDIT_LOG_PATH, f"{AUDIT_LOG_PATH}?{window}"
        yield AUDIT_LOG_PATH, f"{AUDIT_LOG_PATH}?{window}&tenant_only=true"
    for endpoint in endpoints():
        if "start_time" in endpoint.known:
            yield endpoint.path, f"{endpoint.path}?start_time={NOW - 5 * 86_400}"
            yield endpoint.path, f"{endpoint.path}?start_time={NOW - 5 * 86_400}&group_by[]=project_id"


def answers_of(organization: Organization) -> Answers:
    found: dict[str, list[Any]] = defaultdict(list)
    with served(organization) as (address, _):
        snapshot = asyncio.run(snapshot_of(address))
        with httpx.Client(headers={"authorization": f"Bearer {KEY}"}, trust_env=False) as client:
            for known_as, path in (*questions(snapshot), *questions_of_time()):
                answer = client.get(address + path)
                if answer.status_code != 404:
                    assert answer.status_code == 200, (path, answer.text)
                    found[known_as].append(answer.json())
    return found


@pytest.fixture(scope="module")
def answers() -> Answers:
    return answers_of(small())


@pytest.fixture(scope="module")
def newest() -> Answers:
    organization = small()
    add(organization, NOW)
    return answers_of(organization)


def test_every_path_of_the_simulator_was_asked(answers: Answers) -> None:
    assert set(answers) == {pattern(endpoint.path) for endpoint in endpoints()}
    by_id = {path for path in answers if path.endswith("/{}")}
    assert by_id == {path for path in paths()[0].values() if path.endswith("/{}")}
    assert len(by_id) == 23


def faults_of(answers: Answers) -> dict[str, set[str]]:
    """What the description does not allow, by path."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, bodies in answers.items():
        if path not in VALIDATORS:
            continue
        for body in bodies:
            for error in VALIDATORS[path].iter_errors(body):
                found[path].add(f"{_place(error.absolute_path)}: {error.instance!r}")
    return found


def _place(steps: Any) -> str:
    return ".".join("[]" if isinstance(step, int) else step for step in steps)


def test_what_it_says_is_allowed_by_the_description(answers: Answers) -> None:
    assert set(VALIDATORS) <= set(answers)
    assert faults_of(answers) == {}


def test_with_newest_it_says_what_the_description_does_not_know_and_nothing_else(newest: Answers) -> None:
    projects, project, log = "/organization/projects", "/organization/projects/{}", AUDIT_LOG_PATH
    assert faults_of(newest) == {
        projects: {f"data.[].residency: {each!r}" for each in RESIDENCIES},
        project: {f"residency: {each!r}" for each in RESIDENCIES},
        log: {f"data.[].type: {each!r}" for each in EVENT_TYPES},
    }


def test_the_newest_values_are_read_without_a_gap_and_kept() -> None:
    organization = small()
    add(organization, NOW)
    with served(organization) as (address, _):
        snapshot = asyncio.run(snapshot_of(address))
    assert not snapshot.gaps
    assert {record.fields["residency"] for record in snapshot.collection("project").records} >= set(RESIDENCIES)


_SESSION = {f"data.[].actor.session.{name}" for name in ("ip_address_details", "ja3", "ja4", "user_agent")}
NEWER_FIELDS: Mapping[str, set[str]] = {
    "/organization/audit_logs": _SESSION,
    "/organization/costs": {"data.[].results.[].api_source"},
    "/organization/groups": {"data.[].object"},
    "/organization/groups/{group_id}": {"object"},
    "/organization/projects/{project_id}/api_keys": {"data.[].expires_at"},
    "/organization/projects/{project_id}/api_keys/{api_key_id}": {"expires_at"},
    "/organization/usage/completions": {"data.[].results.[].api_source"},
    "/organization/usage/web_search_calls": {"data.[].results.[].api_source"},
}
"""Fields of answers that the description does not have, by path. The newest package of the vendor has them all, and
the examples of the description show those of a session."""


def unknown_fields(schema: Mapping[str, Any], body: Any, place: str = "") -> Iterator[str]:
    """Fields of `body` that `schema` does not name, where it names any."""
    forms = list(_forms(schema))
    if isinstance(body, list):
        items = [form["items"] for form in forms if "items" in form]
        for each in body:
            yield from unknown_fields({"anyOf": items}, each, f"{place}[].") if items else ()
    elif isinstance(body, dict):
        known: dict[str, list[Any]] = defaultdict(list)
        for name, inner in ((name, inner) for form in forms for name, inner in form.get("properties", {}).items()):
            known[name].append(inner)
        for name, value in body.items():
            if name in known:
                yield from unknown_fields({"anyOf": known[name]}, value, f"{place}{name}.")
            elif known:
                yield place + name


def _forms(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema with its references followed and its alternatives laid side by side."""
    if "$ref" in schema:
        yield from _forms(PUBLISHED["$defs"][schema["$ref"].rpartition("/")[2]])
        return
    yield schema
    for word in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(word, ()):
            yield from _forms(each)


def test_it_sends_no_field_that_nobody_has_published(answers: Answers) -> None:
    found = {
        path: {field for body in answers[pattern(path)] for field in unknown_fields(schema, body)}
        for path, schema in PUBLISHED["paths"].items()
    }
    # The tenant's events come with payloads that are described nowhere.
    told = {
        path: {field for field in fields if not field.startswith("data.[].tenant.")} for path, fields in found.items()
    }
    assert {path: fields for path, fields in told.items() if fields} == NEWER_FIELDS


def test_an_answer_that_is_not_as_published_is_noticed(answers: Answers) -> None:
    path = "/organization/users"
    body = answers[path][0]
    user = body["data"][0]
    for spoilt in ({**user, "added_at": "today"}, {name: user[name] for name in user if name != "id"}):
        assert faults_of({path: [{**body, "data": [spoilt]}]})
    assert list(unknown_fields(PUBLISHED["paths"][path], {**body, "data": [{**user, "shoe_size": 43}]})) == [
        "data.[].shoe_size"
    ]
