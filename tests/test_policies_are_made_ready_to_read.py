"""`policies show` and `policies docs`: every policy as text, and nothing that a policy says becomes more than text."""

import re
from pathlib import Path

import pytest
from policyfiles import RULE, loaded, state, written

from auditor import shipped
from auditor.cli import call
from auditor.policy.describe import describe
from auditor.policy.load import load
from auditor.policy.markdown import pages

PACK = load(["builtin:openai"], {}, {})


def test_there_is_a_page_for_each_policy_and_the_index_leads_to_all_of_them() -> None:
    found = pages(PACK)
    assert set(found) == {"index.md", *(f"{policy.name}.md" for policy in PACK)}
    links = re.findall(r"\]\(([^)]+)\)", found["index.md"])
    assert sorted(links) == sorted(set(found) - {"index.md"})


@pytest.mark.parametrize("policy", PACK.policies, ids=[policy.name for policy in PACK])
def test_a_page_holds_all_that_a_reader_asks(policy: object) -> None:
    name = policy.name  # type: ignore[attr-defined]
    page, text = pages(PACK)[f"{name}.md"], describe(PACK, PACK.by_name[name])
    for heading in ("Why it matters", "What to do", "What it looks for", "Controls", "Examples"):
        assert f"\n## {heading}\n" in page
    for framework, ids in PACK.by_name[name].controls.items():
        assert all(f"| {framework} | {control} |" in page for control in ids)
    assert "condition: " in page
    assert "condition: " in text
    assert text.endswith("\n")


def test_parameters_of_the_configuration_are_in_the_page_and_in_the_text(tmp_path: Path) -> None:
    text = state("{bad: {created_at|older_than: '%after%', name: [a, null, '']}, condition: bad}").replace(
        "examples:", "params: {after: 90d}\nexamples:"
    )
    policies = loaded(tmp_path, text, params={"after": "60d"})
    for shown in (describe(policies, policies.by_name["policy"]), pages(policies)["policy.md"]):
        assert "created_at|older_than: 60d" in shown
        assert 'name: [a, null, ""]' in shown


def test_alternatives_limits_and_correlations_are_put_into_words(tmp_path: Path) -> None:
    text = (
        state("{bad: [{name: a}, {name: b}], condition: bad}") + "applies_to: {owner.type: user}\nallowed: {min: 1}\n"
    )
    policies = loaded(tmp_path, text)
    lines = describe(policies, policies.by_name["policy"]).splitlines()
    start = lines.index("What it looks for")
    assert [line.strip() for line in lines[start + 1 : start + 9]] == [
        "applies to:",
        "owner.type: user",
        "bad:",
        "name: a",
        "or:",
        "name: b",
        "condition: bad",
        "allowed: at least 1, at most any number",
    ]
    shown = describe(PACK, PACK.by_name["login-failures"])
    assert "event_count: at least 5 within" in shown
    assert re.search(r"rule [a-z-]+:\n +failed:", shown), shown


HOSTILE = "</td><script>alert(1)</script> [x](javascript:y) `a` *b* | c"


def test_what_a_policy_says_is_text_in_its_page(tmp_path: Path) -> None:
    text = state("{bad: {name: '```'}, condition: bad}", title=f"'{HOSTILE}'", remediation=f"'{HOSTILE}'")
    text = (
        text.replace("{name: bad, expect", f"{{name: '{HOSTILE}', expect", 1)
        + "params: {x: '`|`'}\nmessage: '{{ x }}'\n"
    )
    text += "references: ['javascript:alert(1)', 'https://example.com/a>b', 'https://example.com/c']\n"
    page = pages(loaded(tmp_path, text))["policy.md"]
    assert "<script" not in page.replace("\\<", "")
    assert not re.findall(r"(?<!\\)\[x", page)
    assert "<https://example.com/c>" in page
    assert "<javascript" not in page
    rows = [line for line in page.splitlines() if line.startswith("| ") and "script" in line]
    assert rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)


def test_a_rule_of_any_name_has_a_page_of_its_own_in_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["elsewhere Three", "elsewhere-Three", "../../evil", "a](b", "index"]
    (tmp_path / "rules").mkdir()
    for number, name in enumerate(names):
        rule = RULE.replace("0aff", f"{number}aff").replace("name: rule", f"name: '{name}'")
        written(tmp_path / "rules", rule + "detection: {s: {type: a}, condition: s}\n", f"rule{number}.yml")
    assert call(["policies", "docs", "--output", str(tmp_path / "a" / "docs"), str(tmp_path / "rules")]) == 0
    assert "wrote 5 pages; " in capsys.readouterr().out
    made = {path.name for path in tmp_path.rglob("*.md")}
    assert made == {path.name for path in (tmp_path / "a" / "docs").iterdir()}
    links = re.findall(r"(?<!\\)\]\(([^)]+)\)", (tmp_path / "a" / "docs" / "index.md").read_text(encoding="utf-8"))
    assert sorted(links) == sorted(made - {"index.md"})
    assert all(re.fullmatch("[A-Za-z0-9_-]+[.]md", link) for link in links)
    assert call(["policies", "docs", "--output", str(tmp_path / "one"), str(tmp_path / "rules" / "rule0.yml")]) == 0
    assert "wrote 1 page; " in capsys.readouterr().out


def test_the_command_writes_into_a_folder_and_leaves_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "mine.md").write_text("mine", encoding="utf-8")
    rule = written(tmp_path, RULE + "detection: {s: {type: a}, condition: s}\n", "rule.yaml")

    assert call(["policies", "docs", "--output", "docs", rule]) == 0
    assert capsys.readouterr().out == "wrote 1 page; docs/index.md lists it\n"
    assert {file.name for file in (tmp_path / "docs").iterdir()} == {"index.md", "rule.md", "mine.md"}
    assert call(["policies", "docs", "--output", "docs"]) == 0
    assert len(list((tmp_path / "docs").iterdir())) == len(PACK) + 3
    assert call(["policies", "docs", "--output", f"{rule}/x"]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_policy_of_a_file_is_shown_without_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rule = written(tmp_path, RULE + "detection: {s: {type: a}, condition: s}\n", "rule.yaml")
    assert call(["policies", "show", "rule", rule]) == 0
    assert "judges:   audit events" in capsys.readouterr().out
    assert call(["policies", "show", "rlue", rule]) == 2
    assert "did you mean `rule`?" in capsys.readouterr().err
    assert shipped.directory("policies").is_dir()
