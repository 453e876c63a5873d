"""What the README says is so: its commands, exit codes, links and examples."""

import importlib
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from auditor.alerts.registry import kinds
from auditor.cli import COMMANDS
from auditor.cli.checking import CLEAN, FINDINGS, INCOMPLETE
from auditor.config import Config
from auditor.findings import waiverfile
from auditor.findings.matcher import Matcher
from auditor.inventory import attestations
from auditor.inventory.settingtypes import ATTESTABLE
from auditor.policy.examples import check
from auditor.policy.load import load
from auditor.registers.table import REGISTERS
from auditor.simulator.faults.file import parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
YAML_BLOCKS = [block for block in map(yaml.safe_load, TEXTS) if isinstance(block, dict)]
POLICY_BLOCK = next(
    block for block in re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL) if block.startswith("title:")
)


def rows(heading: str) -> dict[str, str]:
    """The two-column table under a heading: first column to second."""
    section = README.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    cells = [line.strip("|").split("|", 1) for line in section.splitlines() if line.startswith("|")]
    return {first.strip(): second.strip() for first, second in cells[2:]}


def test_the_table_of_commands_is_the_help_of_the_program() -> None:
    assert rows("## Commands") == {f"`auditor {name}`": text for name, text in COMMANDS.items()}


def test_the_table_of_exit_codes_holds_those_of_check() -> None:
    assert set(rows("### Exit codes of `check`")) == {str(code) for code in (CLEAN, 1, 2, FINDINGS, INCOMPLETE)}


def test_the_table_of_areas_counts_the_shipped_policies() -> None:
    counts = Counter(Path(policy.path).parent.name for policy in load(["builtin:openai"], {}, {}))
    table = rows("### The pack")
    assert {area: int(cells.split("|")[0]) for area, cells in table.items()} == {
        f"`{area}`": count for area, count in counts.items()
    }


def test_the_table_of_registers_names_every_column() -> None:
    assert rows("### Your own files") == {
        f"`{name}`": ", ".join(
            f"**{column}**" if each.required else column for column, each in register.columns.items()
        )
        for name, register in REGISTERS.items()
    }


def test_the_first_policy_of_one_s_own_works_and_is_short(tmp_path: Path) -> None:
    file = tmp_path / f"{yaml.safe_load(POLICY_BLOCK)['name']}.yaml"
    file.write_text(POLICY_BLOCK, encoding="utf-8")
    assert check(load([str(file)], {}, {})) == ()
    assert len(POLICY_BLOCK.splitlines()) <= 15


@pytest.mark.parametrize("block", [block for block in YAML_BLOCKS if not {"title", "rules"} & set(block)])
def test_pieces_of_configuration_are_accepted(block: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    organizations = {"organizations": {"acme": {"admin_key": "key"}}}
    config = Config.model_validate({**organizations, **block})
    assert set(block) <= config.model_fields_set


def test_the_example_of_faults_is_accepted() -> None:
    (block,) = [
        block
        for block in re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
        if re.search("^rules:", block, re.MULTILINE)
    ]
    assert len(parse(block, "README.md").rules) == 3


def test_the_example_of_an_attestation_is_accepted_and_all_that_can_be_attested_is_named(tmp_path: Path) -> None:
    (block,) = [block for block in TEXTS if block.startswith("- setting:")]
    file = tmp_path / "attestations.yaml"
    file.write_text(block, encoding="utf-8")
    assert len(attestations.read(file, ["acme"])) == 1
    section = README.split("### Settings without an endpoint\n", 1)[1].split("\n#", 1)[0]
    assert not [name for name in ATTESTABLE if f"`{name}`" not in section]


def test_every_kind_of_sink_has_a_row_with_an_example_that_is_accepted() -> None:
    examples = {kind.strip("`"): rest.split("|")[1].strip(" `") for kind, rest in rows("### Other sinks").items()}
    assert set(examples) == set(kinds())
    for kind, example in examples.items():
        settings = yaml.safe_load(example)
        assert settings.pop("type") == kind
        importlib.import_module(f"auditor.alerts.sinks.{kind}").Config.model_validate(settings)


def test_the_example_of_a_waiver_is_accepted_and_every_condition_is_named(tmp_path: Path) -> None:
    (block,) = [block for block in TEXTS if block.startswith("- id:")]
    file = tmp_path / "waivers.yaml"
    file.write_text(block, encoding="utf-8")
    assert len(waiverfile.read(file, ["acme"], 365 * 86_400)) == 1
    section = README.split("### Accepted risks\n", 1)[1].split("\n#", 1)[0]
    assert not [each.name for each in fields(Matcher) if f"`{each.name}`" not in section]


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    pictures = {"reports/examples/report.png"}
    assert len(links) > 5
    assert not [link for link in links if link not in pictures and not (ROOT / link).exists()]
