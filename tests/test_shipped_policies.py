"""Every shipped policy loads, its examples hold, and it carries what a reader needs to act on it."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml
from sigma.collection import SigmaCollection
from sigma.rule import SigmaRule
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

from auditor import shipped
from auditor.policy.examples import check
from auditor.policy.load import load
from auditor.terms import Outcome

PACK = shipped.directory("policies") / "openai"
FILES = sorted(PACK.rglob("*.yaml"))
FRAMEWORKS = {"soc2", "iso27001", "nist-800-53", "csf", "cis", "iso42001", "ai-rmf"}
STRENGTHS = {"direct", "partial", "supporting"}
DOWNLOADING = {"attacktag", "d3_fendtag"}

every_policy = pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])


def documents(file: Path) -> list[dict[str, object]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def events_only() -> list[Path]:
    return [file for file in FILES if "logsource" in documents(file)[0]]


def issues_of(files: list[Path]) -> list[str]:
    """What pySigma's own validators have to say of all rules in `files`, correlations and their bases included."""
    validator = SigmaValidator([each for name, each in validators.items() if name not in DOWNLOADING])
    rules = SigmaCollection.load_ruleset([str(file) for file in files]).rules
    assert len(rules) >= len(files)
    # Its annotation says rules only; it takes correlations as well.
    return [str(issue) for issue in validator.validate_rules(cast("Iterator[SigmaRule]", iter(rules)))]


def test_the_pack_loads_as_a_whole_and_holds_the_policies_that_were_promised() -> None:
    names = {policy.name for policy in load(["builtin:openai"], {}, {})}
    assert {"project-key-stale", "owner-outside-groups", "ip-allowlist-missing"} <= names
    assert {file.stem for file in FILES} == names
    assert len(names) >= 20


@every_policy
def test_every_policy_is_named_like_its_file(file: Path) -> None:
    assert documents(file)[-1]["name"] == file.stem


@every_policy
def test_the_examples_of_a_policy_hold(file: Path) -> None:
    assert [str(failure) for failure in check(load([str(file)], {}, {}))] == []


@every_policy
def test_a_policy_shows_what_fails_and_what_passes(file: Path) -> None:
    (policy,) = load([str(file)], {}, {})
    assert {Outcome.FAIL, Outcome.PASS} <= {example.expect for example in policy.examples}
    assert len({example.name for example in policy.examples}) == len(policy.examples)


NEXT_STEP = re.compile(
    r"\b(Settings > (Organization|Project)|(GET|POST|DELETE) /[a-z]|`?auditor (changes|events|findings|doctor) )"
)


@every_policy
def test_a_policy_says_why_it_matters_and_what_to_do(file: Path) -> None:
    (policy,) = load([str(file)], {}, {})
    assert len(policy.description) > 40
    assert policy.description.endswith(".")
    assert len(policy.remediation) > 40
    assert policy.remediation.endswith(".")
    assert NEXT_STEP.search(policy.remediation), "it names no page of the console, no call and no command"
    assert policy.message
    assert policy.status == "stable"


@every_policy
def test_a_policy_names_controls_of_known_frameworks_and_how_well_it_covers_them(file: Path) -> None:
    (policy,) = load([str(file)], {}, {})
    assert {"soc2", "iso27001", "nist-800-53", "csf"} <= set(policy.controls) <= FRAMEWORKS
    assert {strength for controls in policy.controls.values() for strength in controls.values()} <= STRENGTHS
    assert all(policy.controls.values())


def test_titles_and_ids_are_unique() -> None:
    everything = [document for file in FILES for document in documents(file)]
    titles = [document["title"] for document in everything]
    ids = [uuid.UUID(str(document["id"])) for document in everything if "logsource" in document or "id" in document]
    assert len(set(titles)) == len(titles)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("file", events_only(), ids=[file.stem for file in events_only()])
def test_other_sigma_tools_accept_an_event_policy_as_it_is(file: Path) -> None:
    assert issues_of([file]) == []


def test_event_policies_do_not_collide_in_other_sigma_tools() -> None:
    assert issues_of(events_only()) == []


def test_the_sigma_validators_would_notice_a_bad_rule(tmp_path: Path) -> None:
    good = (PACK / "events" / "allowlist-deactivated.yaml").read_text(encoding="utf-8")
    bad = tmp_path / "allowlist-deactivated.yaml"
    bad.write_text(good.replace("detection:\n", "detection:\n  dangling: {type: login.failed}\n"), encoding="utf-8")
    assert any("DanglingDetection" in issue for issue in issues_of([bad]))
