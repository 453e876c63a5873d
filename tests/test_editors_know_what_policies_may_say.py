"""The JSON Schema for editors: every sound policy is valid by it, typical mistakes are not, and it agrees with load."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from policyfiles import RULE, STATE, faults, state
from sigma.modifiers import modifier_mapping

from auditor import shipped
from auditor.cli import call
from auditor.inventory.schema import KINDS, fields_of, is_open
from auditor.policy.comparison import OWN_MODIFIERS
from auditor.policy.editorschema import DIALECT, editor_schema
from auditor.policy.modifiers import FLAGS, REFUSED, SIGMA_MODIFIERS, fitting, known_modifiers
from auditor.yamlfile import load

FILES = sorted((shipped.directory("policies") / "openai").rglob("*.yaml"))
STATES = [kind for kind in KINDS if not is_open(kind)]


@cache
def validator() -> Draft7Validator:
    return Draft7Validator(editor_schema())


def complaints(text: str) -> list[str]:
    """What an editor would underline in a file, as paths and messages."""
    return [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for document in load(text, "policy.yaml")
        for error in validator().iter_errors(document.value)
    ]


def test_it_is_a_schema_of_the_draft_that_editors_read() -> None:
    Draft7Validator.check_schema(editor_schema())
    assert editor_schema()["$schema"] == DIALECT


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_shipped_policy_is_valid(file: Path) -> None:
    assert complaints(file.read_text(encoding="utf-8")) == []


SOUND = state("{bad: {name: bad}, condition: bad}")
MISTAKES = {
    "a key that is misspelt": SOUND + "remedation: x\n",
    "no remediation": SOUND.replace("remediation: What to do.\n", ""),
    "no examples": SOUND[: SOUND.index("examples:")] + "detection: {bad: {name: bad}, condition: bad}\n",
    "a level that is none": SOUND.replace("high", "severe"),
    "a kind that is none": SOUND.replace("project_api_key", "project_apikey"),
    "a field that is misspelt": state("{bad: {last_usd_at: null}, condition: bad}"),
    "a modifier that is misspelt": state("{bad: {name|containz: a}, condition: bad}"),
    "a modifier that does not fit": state("{bad: {name|older_than: 9d}, condition: bad}"),
    "a modifier for other logs": state("{bad: {name|windash: a}, condition: bad}"),
    "an allowed element that is no text": state("{bad: {owner.groups|outside: [5]}, condition: bad}"),
    "a chain that does not fit": state("{bad: {created_at|contains|all: [a]}, condition: bad}"),
    "a flag without re": state("{bad: {name|i: a}, condition: bad}"),
    "a flag after something else": state("{bad: {name|contains|i: a}, condition: bad}"),
    "a flag without re in a rule": RULE + "detection: {s: {type|i: a}, condition: s}\n",
    "a duration that is none": state("{bad: {created_at|older_than: 90}, condition: bad}"),
    "a duration in words": state("{bad: {created_at|older_than: 90 days}, condition: bad}"),
    "an hour that is none": state("{bad: {created_at|hour: 24}, condition: bad}"),
    "a truth for a text": state("{bad: {name: true}, condition: bad}"),
    "a text for a truth": state("{bad: {owner.is_member: yes}, condition: bad}"),
    "a nested mapping": state("{bad: {owner: {role: owner}}, condition: bad}"),
    "a keyword": state("{bad: bad, condition: bad}"),
    "an empty list": state("{bad: {name: []}, condition: bad}"),
    "no condition": state("{bad: {name: bad}}"),
    "no selection": state("{condition: bad}"),
    "an example of no outcome": SOUND.replace("expect: pass", "expect: maybe"),
    "an example of a field that is none": SOUND.replace("{name: good}}", "{nmae: good}}"),
    "an example without a body": SOUND.replace(", resource: {name: good}}", "}"),
    "an example that is an event": SOUND.replace("resource: {name: good}", "event: {id: e}"),
    "a field of another kind that is hidden": SOUND.replace("{name: good}}", "{name: good}, gaps: [members]}"),
    "any number that is allowed": SOUND + "allowed: {}\n",
    "fewer than none": SOUND + "allowed: {min: -1}\n",
    "a framework that is none": SOUND + "controls: {soc3: {CC6.1: partial}}\n",
    "a strength that is none": SOUND + "controls: {soc2: {CC6.1: some}}\n",
    "a parameter with structure": SOUND + "params: {x: {y: 1}}\n",
    "a parameter in capitals": SOUND + "params: {X: 1}\n",
    "neither state nor event": STATE.replace("resource: p", "resuorce: p"),
    "a rule for other logs": RULE.replace("openai", "okta") + "detection: {s: {type: a}, condition: s}\n",
    "a rule with our modifier": RULE + "detection: {s: {effective_at|older_than: 5d}, condition: s}\n",
    "a rule without a condition": RULE + "detection: {s: {type: a}}\n",
    "a rule of one empty selection": RULE + "detection: {s: {}, condition: s}\n",
    "a correlation without rules": "title: a\nname: a\ncorrelation: {type: event_count, timespan: 5m}\n",
    "a correlation with a misspelt key": (
        "title: a\nname: a\ncorrelation: {type: event_count, rules: [a], timespan: 5m, groupby: [actor.ip]}\n"
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_typical_mistake_is_underlined_and_refused(tmp_path: Path, case: str) -> None:
    assert complaints(SOUND) == []
    assert complaints(MISTAKES[case]) != []
    assert faults(tmp_path, MISTAKES[case]) != ()


def underlined(kind: str, key: str, value: object) -> bool:
    """Whether an editor would underline a comparison in a selection for `kind`."""
    schema = {**editor_schema_of(kind), "definitions": editor_schema()["definitions"]}
    return not Draft7Validator(schema).is_valid({key: value})


@cache
def editor_schema_of(kind: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/selection of {kind}"}


def test_each_field_has_exactly_the_modifiers_that_fit_it() -> None:
    definitions = editor_schema()["definitions"]
    for kind in STATES:
        offered = set(definitions[f"fields of {kind}"]["properties"])
        fields = fields_of(kind)
        assert offered == set(fields) | {
            f"{name}|{each}"
            for name, field in fields.items()
            for each in fitting(field.type, own=True)
            if each not in FLAGS
        }


def test_every_modifier_of_the_grammar_is_offered_or_refused_and_none_is_both() -> None:
    assert set(known_modifiers(own=True)) == {*SIGMA_MODIFIERS, *OWN_MODIFIERS}
    assert not set(REFUSED) & set(known_modifiers(own=True))
    assert {*SIGMA_MODIFIERS, *REFUSED} == set(modifier_mapping), "pySigma knows others"
    assert not underlined("project_api_key", "name|contains|all", ["a", "b"])
    assert not underlined("project_api_key", "name|re|i", "a+")
    assert not underlined("project_api_key", "created_at|older_than", "%after%")
    assert not underlined("project_api_key", "created_at|hour|gte", 22)
    assert not underlined("project_api_key", "name|re|i|m", "a+")
    assert underlined("project_api_key", "owner.is_member|re|i", "a")


def test_one_rule_and_one_field_to_group_by_need_no_list(tmp_path: Path) -> None:
    rule = RULE.replace("name: rule", "name: base") + "detection: {s: {type|re|i: a}, condition: s}\n"
    counted = "{type: event_count, rules: base, group-by: actor.ip, timespan: 5m, condition: {gte: 2}}"
    text = f"{rule}---\ntitle: b\nname: policy\nlevel: low\ncorrelation: {counted}\n"
    assert complaints(text) == []
    assert faults(tmp_path, text) == ()
    assert complaints(text.replace("rules: base", "rules: []")) != []


def test_the_command_prints_it_or_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["policies", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == editor_schema()
    file = tmp_path / "made" / "policy.schema.json"
    assert call(["policies", "schema", "--output", str(file)]) == 0
    assert json.loads(file.read_text(encoding="utf-8")) == editor_schema()
    assert call(["policies", "schema", "--output", f"{file}/x"]) == 2
    assert "cannot write" in capsys.readouterr().err
