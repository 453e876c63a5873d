"""The tutorial on policies: whoever follows it sees what it says, and ends with a tested policy."""

import re
from pathlib import Path

import pytest
from tutorial import follow

from auditor.policy.coverage import tried
from auditor.policy.files import CorrelationFile, RuleFile, StateFile
from auditor.policy.load import load
from auditor.policy.modifiers import REFUSED, known_modifiers

FOLDER = Path(__file__).parent.parent / "policies"
TEXT = (FOLDER / "TUTORIAL.md").read_text(encoding="utf-8")


def test_whoever_follows_it_sees_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    steps = list(follow(TEXT))
    assert [(step.command, step.printed) for step in steps] == [(step.command, step.written) for step in steps]
    assert sum(step.command.startswith("auditor") for step in steps) > 10

    policies = load(["policies"], {}, {})
    assert [policy.name for policy in policies] == ["invite-from-outside"]
    (found,) = tried(policies)
    assert (found.missing, found.unmatched, found.asks) == ((), (), ())


def test_it_has_ten_steps_and_begins_with_nothing() -> None:
    steps = re.findall(r"^## (\d+)\. ", TEXT, flags=re.MULTILINE)
    assert steps == [str(number) for number in range(1, 11)]
    assert "$ touch invite-from-outside.yaml\n" in TEXT


def test_its_links_lead_somewhere() -> None:
    for page in ("TUTORIAL.md", "README.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (FOLDER / page).read_text(encoding="utf-8"))
        assert links
        assert [link for link in links if not (FOLDER / link).exists()] == []


def rows(heading: str) -> str:
    """The first column of a table in the reference."""
    reference = (FOLDER / "README.md").read_text(encoding="utf-8")
    section = reference.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return " ".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))


def test_the_reference_has_every_modifier_and_every_key() -> None:
    reference = (FOLDER / "README.md").read_text(encoding="utf-8")
    modifiers = reference.split("\n## Modifiers\n", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`([a-z0-9_]+)`", modifiers))
    assert {*known_modifiers(own=True), *REFUSED} - named == set()
    keys = {
        name for model in (StateFile, RuleFile, CorrelationFile) for name in model.model_fields if name not in METADATA
    }
    assert keys - set(re.findall(r"`([a-z_]+)`", rows("Keys"))) == set()


METADATA = {"author", "date", "modified"}
"""Keys that Sigma has, and that say nothing to anybody here."""
