"""Whatever is wrong in policy files is told at load: all of it, with file, line, column and what was probably meant."""

from pathlib import Path

import pytest
from policyfiles import RULE, STATE, faults, loaded, state, written

from auditor.config import Override
from auditor.configfile import read
from auditor.errors import ConfigError, Fault, FaultyFiles
from auditor.policy.configured import policies_of
from auditor.policy.load import load
from auditor.terms import Level

SOUND = state("{bad: {name: bad}, condition: bad}")


def detection(text: str) -> str:
    return state(f"{{bad: {text}, condition: bad}}")


def test_a_sound_policy_loads(tmp_path: Path) -> None:
    (policy,) = loaded(tmp_path, SOUND)
    assert (policy.name, policy.kind, policy.level) == ("policy", "project_api_key", Level.HIGH)


CASES = {
    "a field that does not exist": (detection("{last_usd_at: null}"), "`last_usd_at`", "`last_used_at`?"),
    "a nested mapping": (detection("{owner: {role: owner}}"), "unknown field `owner`", "owner."),
    "a modifier that does not exist": (detection("{name|containz: a}"), "modifier `containz`", "`contains`?"),
    "a modifier of another type": (detection("{name|older_than: 9d}"), "does not fit `name`", ""),
    "a text modifier on a time": (detection("{created_at|contains: a}"), "does not fit `created_at`", ""),
    "a number for a text": (state("{bad: {owner.is_member: 1}, condition: bad}"), "never equals 1", ""),
    "a truth for a text": (detection("{name: true}"), "never equals True", ""),
    "a text for a time": (detection("{created_at: yesterday}"), "never equals 'yesterday'", ""),
    "an order of texts": (detection("{created_at|gt: noon}"), "`gt` takes a number, and not 'noon'", ""),
    "an order of truths": (detection("{owner.is_member|gt: 1}"), "does not fit `owner.is_member`", ""),
    "outside of a number": (detection("{owner.groups|outside: [a, 5]}"), "`outside` takes a text, and not 5", ""),
    "outside with another modifier": (detection("{name|outside|contains: a}"), "outside stands alone", ""),
    "outside on a time": (detection("{created_at|outside: a}"), "`outside` does not fit `created_at`", ""),
    "a part of a number": (detection("{name|contains: 5}"), "`contains` takes a text, and not 5", ""),
    "a presence that is none": (detection("{name|exists: maybe}"), "`exists` takes `true` or `false`", ""),
    "an hour that is none": (detection("{created_at|hour: 24}"), "no time has the hour 24", "from 0 to 23"),
    "a half hour": (detection("{created_at|hour: 1.5}"), "no time has the hour 1.5", "whole number"),
    "an hour of a text": (detection("{name|hour: 3}"), "`hour` does not fit `name`", ""),
    "a truth for a negated text": (detection("{name|neq: true}"), "never equals True", ""),
    "a reference to no field": (
        detection("{name|fieldref: owner.nmae}"),
        "unknown field `owner.nmae`",
        "`owner.name`?",
    ),
    "a reference to another type": (detection("{name|fieldref: created_at}"), "never equals `created_at`", ""),
    "a reference to a number": (detection("{name|fieldref: 5}"), "takes the name of another field", ""),
    "a modifier for command lines": (detection("{name|windash: -x}"), "`windash` is not supported", "command lines"),
    "a modifier for encoded texts": (detection("{name|base64offset|contains: x}"), "not supported", "encoded"),
    "a modifier for other encodings": (detection("{name|wide: x}"), "`wide` is not supported", "UTF-8"),
    "flags without an expression": (detection("{name|i: a}"), "`i` is a flag of `re`", "`name|re|i`"),
    "a modifier of ours with another one": (detection("{created_at|older_than|neq: 5d}"), "stands alone", ""),
    "a duration that is none": (detection("{created_at|older_than: 90}"), "must be a duration like", ""),
    "a network that is none": (detection("{name|cidr: 300.0.0.0/8}"), "Invalid CIDR", ""),
    "an expression that is none": (detection("{name|re: '('}"), "missing )", ""),
    "an expression of exponential time": (detection("{name|re: '(a)\\1'}"), "cannot be used", ""),
    "an expression that is too long": (detection(f"{{name|re: '{'a' * 1001}'}}"), "longer than 1000", ""),
    "an empty list": (detection("{name: []}"), "an empty list matches nothing", "null"),
    "a keyword": (detection("[bad, worse]"), "selects nothing", "field: value"),
    "a selection of a number": (detection("7"), "selects nothing", "field: value"),
    "no selection": (state("{condition: bad}"), "there is no selection", ""),
    "no condition": (state("{bad: {name: bad}}"), "`condition` is missing", ""),
    "a condition on nothing": (state("{bad: {name: bad}, condition: bda}"), "`bda`, which is no selection", "bad"),
    "a condition that is none": (state("{bad: {name: bad}, condition: bad and}"), "missing after `and`", "name one"),
    "a condition of the old kind": (
        state("{bad: {name: bad}, condition: 'bad | count() > 5'}"),
        "cannot be read",
        "correlation",
    ),
    "a condition that begins with and": (state("{bad: {name: bad}, condition: and bad}"), "before `and`", ""),
    "a condition in upper case": (state("{bad: {name: bad}, condition: bad AND bad}"), "nothing joins", "`and`"),
    "a bracket that is not closed": (state("{bad: {name: bad}, condition: not (bad}"), "`(` is never closed", ""),
    "a bracket that closes nothing": (state("{bad: {name: bad}, condition: bad) or bad}"), "closes nothing", ""),
    "nothing in brackets": (state("{bad: {name: bad}, condition: bad or ()}"), "missing before `)`", ""),
    "signs for and": (state("{bad: {name: bad}, condition: bad && bad}"), "`&` has no meaning", "and, or, not"),
    "a condition that is nested deep": (
        state(f"{{bad: {{name: bad}}, condition: '{'not ' * 490}bad'}}"),
        "nested too deep",
        "1 of",
    ),
    "a pattern that selects nothing": (state("{bad: {name: bad}, condition: 1 of x_*}"), "selects nothing", ""),
    "a selection without use": (
        state("{bad: {name: bad}, worse: {name: worse}, condition: bad}"),
        "never asks for `worse`",
        "",
    ),
    "a condition without an end": (state(f"{{bad: {{name: a}}, condition: {'not ' * 600}bad}}"), "longer than", ""),
    "a parameter that is not declared": (detection("{name: '%nmae%'}"), "`nmae` is not declared", "there are no"),
    "a parameter without use": (state("{bad: {name: bad}, condition: bad}", params="{x: 1}"), "parameter `x`", ""),
    "a parameter with structure": (detection("{name: '%x%'}") + "params: {x: {y: 1}}\n", "one plain value", ""),
    "a parameter inside a text": (
        detection("{name: 'x-%n%'}") + "params: {n: a}\n",
        "`x-%n%` is more than a parameter",
        "exactly `%name%`",
    ),
    "a field for a selection": (state("{name: bad, condition: name}"), "`name` stands where a selection", "chosen"),
    "a part of a time after its order": (
        detection("{created_at|gte|hour: 5}"),
        "`hour` stands after `gte`",
        "`created_at|hour|gte`",
    ),
    "modifiers that do not go together": (detection("{created_at|gt|gte: 5}"), "do not go together", ""),
    "the kind and the log": (
        SOUND + "logsource: {product: openai}\n",
        "`resource:` or `logsource:`, and not both",
        "two files",
    ),
    "a correlation alone": (
        "title: x\ncorrelation: {}\n---\n" + RULE + "detection: {s: {type: a}, condition: s}\n",
        "a correlation stands last",
        "move it to the end",
    ),
    "a document without anything": (
        RULE + "detection: {s: {type: a}, condition: s}\n---\n",
        "the document is empty",
        "delete the `---`",
    ),
    "a kind that does not exist": (SOUND.replace("project_api_key", "project_apikey"), "unknown kind", "_api_key`?"),
    "the kind of events": (SOUND.replace("project_api_key", "audit_event"), "unknown kind", ""),
    "a level that does not exist": (SOUND.replace("high", "severe"), "`level`", ""),
    "a key that does not exist": (SOUND + "remedation: x\n", "unknown key `remedation`", "`remediation`?"),
    "a key with a bracket": (SOUND + "remediation[: x\n", "unknown key `remediation[`", "`remediation`?"),
    "a key like a step of the parser": (SOUND + "'[key]': x\n", "unknown key `[key]`", "known keys"),
    "an example's key like one": (SOUND.replace("{name: good}}", "{name: good}, '[key]': x}"), "unknown key", ""),
    "no remediation": (SOUND.replace("remediation: What to do.\n", ""), "`remediation` is missing", "what to do"),
    "no description": (SOUND.replace("description: Why it matters.\n", ""), "`description` is missing", "why"),
    "no failing example": (SOUND.replace("expect: fail", "expect: pass"), "no example that expects `fail`", ""),
    "no passing example": (SOUND.replace("expect: pass", "expect: unknown"), "no example that expects `pass`", ""),
    "an example that names no field": (SOUND.replace("{name: good}}", "{nmae: good}}"), "field `nmae`", "`name`?"),
    "an example with two bodies": (SOUND.replace("{name: good}}", "{name: good}, resources: []}"), "one of", ""),
    "an example without a body": (SOUND.replace(", resource: {name: good}}", "}"), "exactly one of", ""),
    "an example at no time": (
        SOUND.replace("pass, resource", "pass, now: noon, resource"),
        "`now` is no time",
        "2026-01-01",
    ),
    "another name than the file's": (SOUND.replace("name: policy", "name: polcy"), "differs from the file's", "policy"),
    "a framework that does not exist": (SOUND + "controls: {soc3: {CC6.1: direct}}\n", "controls.soc3", ""),
    "a strength that does not exist": (SOUND + "controls: {soc2: {CC6.1: maybe}}\n", "controls.soc2.CC6.1", ""),
    "a control that does not exist": (
        SOUND + "controls: {cis: {'5.31': direct}}\n",
        "cis has no control `5.31`",
        "5.3`?",
    ),
    "a control that was withdrawn": (
        SOUND + "controls: {nist-800-53: {AC-2(10): direct}}\n",
        "no control `AC-2(10)`",
        "",
    ),
    "a control of another framework": (SOUND + "controls: {soc2: {A.5.9: direct}}\n", "soc2 has no control", ""),
    "any number allowed": (SOUND + "allowed: {}\n", "could never fail", ""),
    "no number allowed": (SOUND + "allowed: {min: 3, max: 1}\n", "no number is both", ""),
    "a negative number allowed": (SOUND + "allowed: {min: -1}\n", "`allowed.min`", ""),
    "a message on nothing": (SOUND + "message: '{{ nmae }}'\n", "unknown field `nmae`", "`name`?"),
    "a message without an end": (SOUND + "message: '{{ name'\n", "cannot be read", ""),
    "a message with an unknown filter": (
        SOUND + "message: '{{ name | upper }}'\n",
        "no filter is called `upper`",
        "known",
    ),
    "a message with a misspelt filter": (SOUND + "message: '{{ name | agoo }}'\n", "`agoo`", "`ago`?"),
    "a level that is misspelt": (SOUND.replace("high", "hihg"), "`level`", "`high`?"),
    "a status that is misspelt": (SOUND + "status: stabel\n", "`status`", "`stable`?"),
    "an expectation that is misspelt": (SOUND.replace("expect: fail", "expect: fial"), "examples.0.expect", "`fail`?"),
    "a strength that is misspelt": (SOUND + "controls: {soc2: {CC6.1: partail}}\n", "soc2.CC6.1", "`partial`?"),
    "a framework that is misspelt": (SOUND + "controls: {iso2701: {A.5.9: direct}}\n", "iso2701", "`iso27001`?"),
    "a number that is misspelt": (SOUND + "allowed: {mn: 1}\n", "unknown key `allowed.mn`", "`min`?"),
    "a key of an example": (
        SOUND.replace("pass, resource", "pass, resourse"),
        "key `examples.1.resourse`",
        "`resource`?",
    ),
    "a text for a list": (SOUND.replace("{name: good}}", "{owner.groups: x}}"), "never 'x'", ""),
    "a list for a text": (SOUND.replace("{name: good}}", "{name: [x]}}"), "`name` is of type string, and never", ""),
    "a text for a truth": (SOUND.replace("{name: good}}", "{owner.is_member: 'yes'}}"), "and never 'yes'", ""),
    "a number for a list": (SOUND.replace("{name: good}}", "{owner.groups: 5}}"), "and never 5", ""),
    "neither state nor event": (
        SOUND.replace("resource: p", "resuorce: p"),
        "neither `resource:`",
        "`resource` for `resuorce`",
    ),
    "neither of the two": ("title: x\n", "neither `resource:`", "`resource: user`, for example"),
    "a template without quotes": (SOUND + "message: {{ name }}\n", "plain word", "`{{` in quotes"),
    "a template and more without quotes": (SOUND + "message: {{ name }} x\n", "expected <block end>", "`{{` in quotes"),
    "a parameter without quotes": (detection("{name: %x%}"), "cannot start any token", "in quotes"),
    "a wildcard without quotes": (detection("{name: *@example.com}"), "expected alphabetic", "`*` or `&` in quotes"),
    "an expression in double quotes": (detection('{name|re: "\\d"}'), "unknown escape", "single quotes"),
    "a tab": ("title: x\n\tname: y\n", "cannot start any token", "spaces"),
    "a list": ("- a\n", "a policy is a mapping", ""),
    "nothing": ("", "the file is empty", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_told_with_its_place_and_a_hint(tmp_path: Path, case: str) -> None:
    text, message, hint = CASES[case]
    found = faults(tmp_path, text)
    assert found, "it loaded"
    assert len({(fault.line, fault.column, fault.message) for fault in found}) == len(found)
    told = [fault for fault in found if message in fault.message and hint in fault.hint]
    assert told, "\n".join(map(str, found))
    assert all(fault.line > 0 and fault.column > 0 and fault.file.endswith("policy.yaml") for fault in found)


def test_the_place_is_that_of_the_comparison(tmp_path: Path) -> None:
    text = STATE + "detection:\n  bad:\n    name: bad\n    last_usd_at: null\n  condition: bad\n"
    (fault,) = faults(tmp_path, text)
    assert (fault.line, fault.column) == (len(STATE.splitlines()) + 4, 5)


def test_the_place_of_one_of_several_conditions_is_its_own(tmp_path: Path) -> None:
    text = STATE + "detection:\n  bad: {name: bad}\n  condition:\n    - bad\n    - bad | count() > 5\n    - bda\n"
    lines = len(STATE.splitlines())
    assert [(each.line, each.column) for each in faults(tmp_path, text)] == [(lines + 5, 7), (lines + 6, 7)]


def test_conditions_that_are_long_together_are_refused_and_what_people_write_is_not(tmp_path: Path) -> None:
    def rules(condition: str) -> str:
        names = (RULE.replace("name: rule", f"name: rule{number}") for number in range(90))
        return "---\n".join(f"{name}detection: {{s: {{type: a}}, condition: {condition}}}\n" for name in names)

    assert faults(tmp_path, rules("s or (s and not s) or " * 9 + "s"), "rules.yml") == ()
    told = faults(tmp_path, rules("s or (s and not s) or " * 40 + "s"), "rules.yml")
    assert {fault.message for fault in told} == {"the conditions of this file are too long together"}


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    written(tmp_path, "a: [", "broken.yaml")
    written(tmp_path, detection("{nmae: a, created_at|older_than: x}").replace("high", "hihg"), "policy.yaml")
    written(tmp_path, RULE + "detection: {s: {type|older_than: 5d}, condition: t}\n", "rule.yml")
    with pytest.raises(FaultyFiles) as error:
        load([str(tmp_path)], {}, {})
    files = [Path(fault.file).name for fault in error.value.faults]
    assert files.count("broken.yaml") == 1
    assert files.count("policy.yaml") == 3
    assert files.count("rule.yml") == 2
    assert "rule.yml:6:" in str(error.value)


def test_a_fault_in_one_place_of_a_file_hides_none_in_another(tmp_path: Path) -> None:
    spoilt = detection("{nmae: a, created_at|older_than: x, owner.id|windash: a}").replace("high", "hihg")
    spoilt = spoilt.replace("condition: bad", "condition: bda or worse and 1 of x_*").replace("Why it matters.", "''")
    spoilt = spoilt.replace("name: bad, expect", "name: bad, gaps: [owenr.id], expect").replace("A policy", "[A]")
    spoilt += "message: '{{ nmae }} {{ owenr.id }}'\ncontrols: {soc3: {A: direct}}\nallowed: {min: -1}\nremedation: x\n"
    told = [fault.message for fault in faults(tmp_path, spoilt)]
    wanted = (
        *("`title`", "`level`", "`description`", "unknown field `nmae`", "must be a duration", "`windash`", "`bda`"),
        *("`worse`", "`1 of x_*` selects nothing", "field `owenr.id`", "unknown field `owenr.id`", "`controls"),
        *("`allowed.min`", "unknown key `remedation`"),
    )
    assert [word for word in wanted if not any(word in each for each in told)] == []
    assert len(told) == len(set(told)) == 15, told


def test_a_kind_that_does_not_exist_hides_nothing_that_does_not_hang_on_it(tmp_path: Path) -> None:
    text = (
        detection("{nmae: a}").replace("project_api_key", "projct_api_key").replace("condition: bad", "condition: bda")
    )
    text = text.replace("expect: pass", "expect: unknown") + "controls: {soc2: {CC9.99: partail}}\nmessage: '{{ name'\n"
    told = [fault.message for fault in faults(tmp_path, text)]
    wanted = ("unknown kind", "`bda`", "expects `pass`", "no control `CC9.99`", "controls.soc2.CC9.99", "template")
    assert [word for word in wanted if not any(word in each for each in told)] == []
    assert len(told) == len(wanted), told


def test_a_fault_in_one_example_hides_none_in_another_and_none_beside_it(tmp_path: Path) -> None:
    examples = """\
  - {name: a, expect: fial, now: noon, resource: {nmae: x}}
  - {name: b, expect: pass, now: 5, resource: {nmae: x, created_at: 2026-13-01}}
  - {name: c, expect: pass, resorce: {}, gaps: [owenr.id]}
  - name: d
    expect: fail
    resources:
      - {name: x}
      - owner:
          role: owner
          rlee: x
"""
    head, end = SOUND.index("  - {name: bad"), SOUND.index("detection:")
    text = SOUND[:head] + examples + SOUND[end:]
    lines = text.splitlines()
    told = [
        (each.line, each.message.split("`")[1], lines[each.line - 1][each.column - 1 :].split(":")[0].split("]")[0])
        for each in faults(tmp_path, text)
    ]
    assert told == [
        (8, "examples.0.expect", "expect"),
        (8, "now", "now"),
        (8, "nmae", "nmae"),
        (9, "examples.1.now", "now"),
        (9, "nmae", "nmae"),
        (9, "created_at", "created_at"),
        (10, "examples.2.resorce", "resorce"),
        (10, "owenr.id", "owenr.id"),
        (17, "owner.rlee", "rlee"),
    ]


def test_a_message_with_an_unknown_filter_hides_no_unknown_field(tmp_path: Path) -> None:
    told = [fault.message for fault in faults(tmp_path, SOUND + "message: '{{ nmae | agoo }}'\n")]
    assert told == ["no filter is called `agoo`", "the message names the unknown field `nmae`"]


ONCE = {
    "a parameter that is not declared, for a number": SOUND + "allowed: {min: '%m%'}\n",
    "a parameter that is not declared, for a duration": detection("{created_at|older_than: '%m%'}"),
    "an empty list": state("{bad: {name: a}, s: [], condition: bad or s}"),
    "a parameter with structure": detection("{name: '%x%'}") + "params: {x: {y: 1}}\n",
    "a parameter with structure and without use": SOUND + "params: {x: {y: 1}}\n",
}


@pytest.mark.parametrize("case", ONCE)
def test_one_fault_is_told_once(tmp_path: Path, case: str) -> None:
    assert len(faults(tmp_path, ONCE[case])) == 1


def test_no_message_is_as_long_as_what_it_is_about(tmp_path: Path) -> None:
    word = "k" * 190_000
    for text in (
        f"{word}: x\n",
        SOUND + f"{word}: x\n",
        detection(f"{{{word}: x}}"),
        f"{word}: 1\n{word}: 2\n"[:180_000],
    ):
        told = faults(tmp_path, text)
        assert told
        assert all(len(fault.message) < 2000 for fault in told)


def test_what_hangs_on_a_spoilt_part_of_a_file_is_not_told_as_missing(tmp_path: Path) -> None:
    text = SOUND.replace("expect: fail", "expect: fial").replace("name: policy", "name: Policy!")
    text = (
        text.replace("{name: bad}, condition", "{name: '%x%'}, condition") + "message: [x]\nparams: {x: [bad], y: 1}\n"
    )
    assert sorted(fault.message.split(":")[0] for fault in faults(tmp_path, text)) == [
        "`examples.0.expect`",
        "`message`",
        "`name`",
    ]


def test_a_name_stands_for_one_policy(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, SOUND)
    with pytest.raises(FaultyFiles, match=r"the name `policy` is taken by .*a/policy\.yaml"):
        load([str(tmp_path)], {}, {})


def test_the_same_file_named_twice_is_one(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND)
    assert len(load([str(tmp_path), path, f"{tmp_path}/../{tmp_path.name}"], {}, {})) == 1


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load([str(tmp_path / "nothing")], {}, {})
    with pytest.raises(ConfigError, match="there is no policy"):
        load([str(tmp_path)], {}, {})
    for pack in ("builtin:nothing", "builtin:../policies", "builtin:openai/keys"):
        with pytest.raises(ConfigError, match="no pack of policies"):
            load([pack], {}, {})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(b"title: \xff\xfe")
    with pytest.raises(FaultyFiles, match="not UTF-8"):
        load([str(tmp_path)], {}, {})


WITH_PARAMS = state("{bad: {created_at|older_than: '%after%', name: '%names%'}, condition: bad}").replace(
    "examples:", "params: {after: 90d, names: [bad]}\nexamples:"
)


def test_parameters_are_set_for_all_policies_or_for_one(tmp_path: Path) -> None:
    def values(params: dict[str, object], own: dict[str, object]) -> object:
        (policy,) = loaded(tmp_path, WITH_PARAMS, params=params, overrides={"policy": Override(params=own)})
        return policy.params

    assert values({}, {}) == {"after": "90d", "names": ["bad"]}
    assert values({"after": "60d"}, {}) == {"after": "60d", "names": ["bad"]}
    assert values({"after": "60d"}, {"after": "30d", "names": []}) == {"after": "30d", "names": []}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"after": 60}, "must be like '90d'"),
        ({"after": "soon"}, "duration"),
        ({"names": "bad"}, r"must be like \['bad'\]"),
    ],
)
def test_a_parameter_keeps_its_type(tmp_path: Path, value: dict[str, object], message: str) -> None:
    with pytest.raises(FaultyFiles, match=message):
        loaded(tmp_path, WITH_PARAMS, params=value)


def test_what_the_configuration_changes_must_exist_and_all_that_does_not_is_told(tmp_path: Path) -> None:
    overrides = {"polcy": Override(enabled=False), "policy": Override(params={"aftr": "1d"})}
    with pytest.raises(FaultyFiles) as error:
        loaded(tmp_path, WITH_PARAMS, params={"namse": []}, overrides=overrides)
    told = str(error.value)
    assert "policies.overrides.polcy: no policy has this name (did you mean `policy`?)" in told
    assert "policies.params.namse: no policy declares it (did you mean `names`?)" in told
    assert (
        "policies.overrides.policy.params.aftr: the policy `policy` has no parameter `aftr` (did you mean `after`?)"
        in told
    )


def configured(folder: Path, policies: str) -> tuple[Fault, ...]:
    """What is wrong when auditor.yaml says this of the policies of its folder."""
    (folder / "key").write_text("sk-admin-x", encoding="utf-8")
    text = f"organizations: {{acme: {{admin_key_file: {folder / 'key'}}}}}\npolicies:\n  paths: [pack]\n{policies}"
    with pytest.raises(FaultyFiles) as error:
        policies_of(read(Path(written(folder, text, "auditor.yaml"))))
    return error.value.faults


WRONG_SETTINGS = {
    "a value that is no duration": ("  params: {after: 90x}\n", (4, 12), "must be a duration like"),
    "a value of another type": ("  params: {after: 90}\n", (4, 12), "must be like '90d', and is 90"),
    "one policy's value that is no duration": (
        "  overrides:\n    other:\n      params: {after: 90x}\n",
        (6, 16),
        "must be a duration like",
    ),
    "an unknown parameter": (
        "  overrides: {other: {params: {aftr: 1d}}}\n",
        (4, 32),
        "`other` has no parameter `aftr`",
    ),
    "a parameter that no policy has": ("  params: {aftr: 1d}\n", (4, 12), "no policy declares it"),
    "a policy that is not there": ("  overrides: {othr: {enabled: false}}\n", (4, 15), "no policy has this name"),
}


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_what_the_configuration_sets_wrongly_is_told_once_where_it_is_set(tmp_path: Path, case: str) -> None:
    text, place, message = WRONG_SETTINGS[case]
    (tmp_path / "pack").mkdir()
    written(tmp_path / "pack", WITH_PARAMS)
    written(tmp_path / "pack", WITH_PARAMS.replace("name: policy", "name: other"), "other.yaml")
    (fault,) = configured(tmp_path, text)
    assert fault.file == str(tmp_path / "auditor.yaml")
    assert (fault.line, fault.column) == place
    assert message in fault.message


def test_what_a_policy_itself_has_wrong_is_told_there_whatever_the_configuration_sets(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    written(tmp_path / "pack", WITH_PARAMS.replace("created_at", "creatd_at"))
    first, second = configured(tmp_path, "  params: {after: 90x, names: [[]]}\n")
    assert "one plain value" in first.message
    assert (first.file, first.line) == (str(tmp_path / "auditor.yaml"), 4)
    assert (Path(second.file).name, "`creatd_at`" in second.message) == ("policy.yaml", True)


def test_a_faulty_policy_does_not_make_its_name_or_parameters_unknown(tmp_path: Path) -> None:
    text = WITH_PARAMS.replace("level: high", "level: severe")
    with pytest.raises(FaultyFiles) as error:
        loaded(tmp_path, text, params={"after": "1d"}, overrides={"policy": Override(level=Level.LOW)})
    assert [fault.line for fault in error.value.faults] == [4]


def test_a_policy_is_switched_off_and_its_level_changed(tmp_path: Path) -> None:
    written(tmp_path, SOUND)
    written(tmp_path, SOUND.replace("name: policy", "name: other"), "other.yaml")
    overrides = {"policy": Override(enabled=False), "other": Override(level=Level.LOW)}
    assert [(policy.name, policy.level) for policy in load([str(tmp_path)], {}, overrides)] == [("other", Level.LOW)]


def test_the_digest_changes_with_the_text_and_with_the_parameters(tmp_path: Path) -> None:
    texts = (WITH_PARAMS, WITH_PARAMS.replace("Why", "How"), WITH_PARAMS)
    params: tuple[dict[str, object], ...] = ({}, {}, {"after": "1d"})
    digests = {loaded(tmp_path, text, params=p).by_name["policy"].digest for text, p in zip(texts, params, strict=True)}
    assert len(digests) == 3
    assert loaded(tmp_path, WITH_PARAMS).by_name["policy"].digest in digests
