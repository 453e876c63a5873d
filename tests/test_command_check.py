"""`auditor check` as a pipeline sees it: one document, an exit code, and silence where there is nothing to say."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import KEY, Ended, auditor, configured, identities, simulating, stored_bytes, unread
from hostile import PAYLOADS
from organization import NOW, served, small

from auditor.cli import render
from auditor.jobs.snapshot import Taken
from auditor.policy.model import PolicyResult
from auditor.simulator.model import Organization
from auditor.simulator.organization import Size, generate
from auditor.store import findings, organizations
from auditor.store.database import open_store
from auditor.store.runs import PolicyLine, Run
from auditor.terms import Level, Outcome

SEED = 3
DAY = 86_400
USERS_OWN = ("project-key-stale", "owner-outside-groups", "ip-allowlist-missing")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("check")


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with simulating("--seed", str(SEED)) as address:
        yield address


@pytest.fixture(scope="module")
def checked(folder: Path, api: str) -> Ended:
    return auditor("check", "-c", configured(folder, api), "-o", "json", cwd=folder)


@pytest.fixture(scope="module")
def model() -> Organization:
    return generate(SEED, Size.SMALL, NOW)


def test_it_prints_one_document_and_says_nothing_else(checked: Ended) -> None:
    assert checked.code == 3, checked.err
    assert checked.err == ""
    assert checked.out.isascii()
    assert checked.document["organizations"] == ["acme"]


def test_the_documented_keys_are_there(checked: Ended) -> None:
    document = checked.document

    assert set(document["summary"]) == {"pass", "fail", "unknown"}
    for finding in document["findings"]:
        assert finding.keys() >= {"policy", "level", "outcome", "resource", "message"}
        assert finding["resource"].keys() >= {"type", "id"}
        assert finding["outcome"] in {"fail", "unknown"}
        assert finding["message"]
        assert finding["resource"]["id"]
    for line in document["coverage"]:
        assert line.keys() >= {"resource", "status", "pages", "items"}


def test_the_summary_counts_policies_and_the_findings_agree(checked: Ended) -> None:
    document = checked.document
    fails = {each["policy"] for each in document["findings"] if each["outcome"] == "fail"}
    unknowns = {each["policy"] for each in document["findings"] if each["outcome"] == "unknown"} - fails
    outcomes = Counter(each["outcome"] for each in document["policies"])

    assert document["summary"] == {key: outcomes[key] for key in ("pass", "fail", "unknown")}
    assert document["summary"]["fail"] == len(fails)
    assert document["summary"]["unknown"] == len(unknowns)
    assert sum(document["summary"].values()) == len({each["policy"] for each in document["policies"]}) >= 15


def test_each_failing_resource_of_a_policy_comes_once(checked: Ended) -> None:
    seen = Counter(identities(checked.document["findings"]))

    assert [each for each, count in seen.items() if count > 1] == []


@pytest.mark.parametrize("policy", USERS_OWN)
def test_the_three_policies_that_were_asked_for_fail(checked: Ended, policy: str) -> None:
    assert ("fail", policy) in {(each["outcome"], each["policy"]) for each in checked.document["findings"]}


def test_the_coverage_is_what_the_organization_holds(checked: Ended, model: Organization) -> None:
    projects = model.active_projects
    coverage = {line["resource"]: line for line in checked.document["coverage"]}

    expected = {
        "user": len(model.users),
        "invite": len(model.invites),
        "group": len(model.groups),
        "group_member": sum(len(group.members) for group in model.groups.values()),
        "admin_api_key": len(model.admin_api_keys),
        "certificate": len(model.certificates),
        "project": len(model.projects),
        "project_user": sum(len(project.users) for project in projects),
        "project_group": sum(len(project.groups) for project in projects),
        "project_api_key": sum(len(project.api_keys) for project in projects),
        "service_account": sum(len(project.service_accounts) for project in projects),
        "rate_limit": sum(len(project.rate_limits) for project in projects),
        "audit_event": len(model.log.events),
    }
    assert {name: coverage[name]["items"] for name in expected} == expected
    assert {line["status"] for line in coverage.values()} == {"complete"}
    assert all(line["pages"] > 0 for line in coverage.values())


def test_the_stale_keys_are_those_of_the_organization(checked: Ended, model: Organization) -> None:
    unused = {
        ("project-key-stale", project.id, key.id)
        for project, key in model.project_keys()
        if project.record.status == "active"
        and key.owner_project_access == "active"
        and (key.last_used_at < NOW - 90 * DAY if key.last_used_at is not None else key.created_at < NOW - 14 * DAY)
    }
    found = set(identities([each for each in checked.document["findings"] if each["policy"] == "project-key-stale"]))

    assert unused
    assert found == unused


def test_the_level_decides_about_the_exit_code_and_not_about_the_document(folder: Path, api: str) -> None:
    quiet = {name: {"enabled": False} for name in criticals(folder, api)}
    config = configured(folder, api, policies={"overrides": quiet})

    lenient = auditor("check", "-c", config, "-o", "json", "--fail-on", "critical", cwd=folder)

    assert lenient.code == 0, lenient.err
    assert lenient.document["summary"]["fail"] > 0


def criticals(folder: Path, api: str) -> set[str]:
    strict = auditor("check", "-c", configured(folder, api), "-o", "json", "--fail-on", "critical", cwd=folder)
    levels = {each["policy"] for each in strict.document["findings"] if each["level"] == "critical"}

    assert strict.code == 3
    return levels


def test_what_is_waived_is_shown_as_that_and_fails_no_pipeline(tmp_path: Path, api: str) -> None:
    today = datetime.now(UTC).date()
    waiver = {"id": "all", "match": {"policy": "*"}, "reason": "r", "owner": "ada@example.com", "on": f"{today}"}
    until = f"{today + timedelta(days=9)}"
    (tmp_path / "waivers.yaml").write_text(json.dumps([waiver | {"until": until}]), encoding="utf-8")
    config = configured(tmp_path, api, waivers="waivers.yaml")
    done = auditor("check", "-c", config, "-o", "json", cwd=tmp_path)

    failed = [each for each in done.document["findings"] if each["outcome"] == "fail"]
    assert done.code == 0
    assert len(failed) > 20
    assert all(each["waived"] for each in failed)
    assert done.document["summary"]["fail"] > 10, "the policies fail all the same"
    assert "waived" in auditor("check", "-c", config, cwd=tmp_path).out


def test_a_setting_that_no_event_has_shown_counts_only_when_it_is_asked_for(
    folder: Path, api: str, checked: Ended
) -> None:
    assert any(each["outcome"] == "unknown" and each["gap"] is None for each in checked.document["findings"])

    assert auditor("check", "-c", configured(folder, api), "--strict", cwd=folder).code == 4


def test_the_table_is_plain_text_without_a_terminal(folder: Path, api: str) -> None:
    config = configured(folder, api)

    table = auditor("check", "-c", config, cwd=folder)

    assert table.code == 3
    assert table.err == ""
    assert "\x1b" not in table.out
    assert "acme: " in table.out.splitlines()[-1]
    assert all(policy in table.out for policy in USERS_OWN)


def test_the_table_names_some_of_many_and_tells_one_reason_once(folder: Path, api: str, checked: Ended) -> None:
    found = checked.document["findings"]
    failing = Counter(each["policy"] for each in found if each["outcome"] == "fail")
    (policy, most), *_ = failing.most_common(1)
    assert most > 6

    table = auditor("check", "-c", configured(folder, api), cwd=folder).out

    # Five with their messages, and one line for the others.
    assert table.count(policy) == 7
    assert f"and {most - 5} more: `auditor findings list --policy {policy}`" in table
    six = next((name for name, count in failing.items() if count == 6), None)
    assert six is None or f"--policy {six}" not in table
    assert sum(each["policy"].startswith("service-account-") and each["outcome"] == "unknown" for each in found) == 3
    assert table.count("auditor.yaml names no file under registers.service_accounts") == 1


def test_a_refused_resource_is_unknown_and_resolves_nothing(tmp_path: Path, api: str) -> None:
    assert auditor("check", "-c", configured(tmp_path, api), cwd=tmp_path).code == 3
    before = active(tmp_path)

    with simulating("--seed", str(SEED), "--refuse", "user") as refusing:
        done = auditor("check", "-c", configured(tmp_path, refusing), "-o", "json", cwd=tmp_path)

    assert done.code == 4
    outcomes = {each["policy"]: each["outcome"] for each in done.document["policies"]}
    coverage = {line["resource"]: line for line in done.document["coverage"]}
    unknown = [each for each in done.document["findings"] if each["outcome"] == "unknown" and each["gap"]]
    gaps = Counter((each["policy"], each["gap"]["resource"], *each["gap"]["scope"]) for each in unknown)
    assert outcomes["owner-outside-groups"] == "unknown"
    assert (coverage["user"]["status"], coverage["user"]["items"]) == ("refused", 0)
    assert "the admin key lacks api.management.read" in coverage["user"]["gaps"][0]["hint"]
    assert unknown
    assert max(gaps.values()) == 1, "a policy tells each gap once"
    assert before <= active(tmp_path)


def test_a_refused_audit_log_makes_settings_and_events_unknown(tmp_path: Path) -> None:
    with simulating("--seed", str(SEED), "--refuse", "audit_event") as refusing:
        done = auditor("check", "-c", configured(tmp_path, refusing), "-o", "json", cwd=tmp_path)

    outcomes = {each["policy"]: each["outcome"] for each in done.document["policies"]}
    assert done.code == 4
    assert outcomes["ip-allowlist-missing"] == "unknown"
    assert outcomes["allowlist-deactivated"] == "unknown"
    assert outcomes["project-key-stale"] == "fail"


def active(folder: Path) -> set[str]:
    store = open_store(f"sqlite:///{folder}/auditor.db")
    with store.transaction() as tx:
        found = set(findings.active(tx, "acme"))
    store.close()
    assert found
    return found


def baseline(folder: Path) -> int | None:
    store = open_store(f"sqlite:///{folder}/auditor.db")
    with store.transaction() as tx:
        at = organizations.read(tx, "acme").baseline_at
    store.close()
    return at


def test_an_api_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    config = configured(tmp_path, address)

    done = auditor("check", "-c", config, "-o", "json", cwd=tmp_path)

    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: nothing was audited: no answer from")
    assert " hint: " in done.err
    assert "Traceback" not in done.err
    assert done.seconds < 30, "four tries, not four for every list"
    assert baseline(tmp_path) is None


def test_a_wrong_key_audits_nothing_and_shows_up_nowhere(tmp_path: Path, api: str) -> None:
    wrong = "sk-admin-thiskeyiswrong"

    done = auditor("check", "-c", configured(tmp_path, api, key=wrong), cwd=tmp_path)

    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: nothing was audited: HTTP 401")
    assert wrong not in done.err
    assert baseline(tmp_path) is None, "the first pass that sees anything is the baseline"
    assert wrong.encode() not in stored_bytes(tmp_path)


def test_a_wrong_path_audits_nothing(tmp_path: Path, api: str) -> None:
    done = auditor("check", "-c", configured(tmp_path, api.removesuffix("/v1")), cwd=tmp_path)

    assert done.code == 1
    assert done.err.startswith("error: nothing was audited: HTTP 404")


@pytest.fixture
def two(tmp_path: Path, api: str) -> Path:
    """A configuration of one organization that is there and one that is not."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    settings = {"admin_key": KEY, "requests_per_minute": 100_000}
    organizations = {"gone": {**settings, "base_url": gone}, "acme": {**settings, "base_url": api}}
    return configured(tmp_path, api, organizations=organizations, sinks={"terminal": {"type": "console"}})


def test_an_organization_that_is_not_there_hides_no_other(two: Path) -> None:
    done = auditor("check", "-c", two, "-o", "json", cwd=two.parent)

    assert done.code == 4
    assert done.document["organizations"] == ["acme"]
    assert done.document["summary"]["fail"] > 0
    assert done.err.startswith("error: nothing was audited of gone: no answer from")


def test_what_was_found_is_delivered_though_an_organization_is_not_there(two: Path) -> None:
    done = auditor("check", "-c", two, "--deliver", cwd=two.parent)

    assert done.code == 4
    assert "First picture of acme" in done.out


def test_only_when_no_organization_was_audited_the_code_is_1(tmp_path: Path, api: str) -> None:
    wrong = {"admin_key": "sk-admin-thiskeyiswrong", "base_url": api, "requests_per_minute": 100_000}
    config = configured(tmp_path, api, organizations={"one": wrong, "two": wrong})

    done = auditor("check", "-c", config, "-o", "json", cwd=tmp_path)

    assert (done.code, done.out) == (1, "")
    assert [line for line in done.err.splitlines() if line.startswith("error: ")] == [
        line for line in done.err.splitlines() if "nothing was audited of" in line
    ]
    assert "nothing was audited of one: HTTP 401" in done.err
    assert "nothing was audited of two: HTTP 401" in done.err


def test_the_table_that_nobody_reads_ends_like_any_other_program(folder: Path, api: str) -> None:
    assert unread("check", "-c", configured(folder, api), cwd=folder) == (141, b"")


def test_the_summary_is_of_this_pass_and_not_of_the_stored_run() -> None:
    run = Run("r", "acme", "snapshot", NOW, NOW, 1, {"pass": 0, "fail": 9, "unknown": 0}, LINES, (), ())
    results = (
        PolicyResult("a", Outcome.PASS, 1, ()),
        PolicyResult("b", Outcome.UNKNOWN, 0, ()),
        PolicyResult("b", Outcome.FAIL, 0, ()),
        PolicyResult("b", Outcome.PASS, 1, ()),
    )
    taken = Taken(run, results, 0, 0, 0)

    document = render.document([taken])

    assert document["summary"] == {"pass": 1, "fail": 1, "unknown": 0}
    assert [(each["policy"], each["level"], each["outcome"]) for each in document["policies"]] == [
        ("a", "low", "pass"),
        ("b", "high", "fail"),
    ]
    assert "1 passed, 1 failed, 0 unknown" in render.headline(taken).plain


LINES = tuple(
    PolicyLine(name, name, level, Outcome.FAIL, 0, 9, 0) for name, level in (("a", Level.LOW), ("b", Level.HIGH))
)


def test_the_key_shows_up_nowhere(checked: Ended, folder: Path) -> None:
    assert KEY not in checked.out + checked.err
    assert KEY.encode() not in stored_bytes(folder)


@pytest.mark.parametrize("form", ["table", "json"])
def test_names_that_drive_a_terminal_are_disarmed(tmp_path: Path, form: str) -> None:
    organization = small()
    for key in organization.admin_api_keys.values():
        key.name = "".join(name for name in PAYLOADS if not name.isprintable()) + "\x9b2J"
    with served(organization) as (address, _):
        done = auditor("check", "-c", configured(tmp_path, address), "-o", form, cwd=tmp_path)

    assert done.code == 3
    assert not {each for each in done.out if not each.isprintable()} - {"\n"}
    assert "admin-key" in done.out
