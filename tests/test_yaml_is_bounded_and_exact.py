"""YAML that people write is read exactly, and nothing that a file holds can hurt whoever reads it."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor import shipped, yamlfile
from auditor.errors import FaultyFiles
from auditor.yamlfile import MAX_CHARACTERS, MAX_DEPTH, flow, load


def value(text: str) -> object:
    (document,) = load(text, "file.yaml")
    return document.value


def fault(text: str) -> tuple[str, int, int]:
    with pytest.raises(FaultyFiles) as error:
        load(text, "file.yaml")
    (only,) = error.value.faults
    assert only.file == "file.yaml"
    return only.message, only.line, only.column


SCALARS: dict[str, object] = {
    "on": "on",
    "no": "no",
    "yes": "yes",
    "y": "y",
    "12:30": "12:30",
    "1_000": "1_000",
    "2026-01-01": "2026-01-01",
    "2026-01-01T00:00:00Z": "2026-01-01T00:00:00Z",
    "0o17": 15,
    "017": 17,
    "0x1F": 31,
    "-12": -12,
    "1.5": 1.5,
    "1e3": 1000.0,
    "1e999": "1e999",
    "true": True,
    "False": False,
    "TRUE": True,
    "~": None,
    "null": None,
    "": None,
    "'null'": "null",
    '"7"': "7",
    "=": "=",
    "90d": "90d",
}


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_are_those_of_yaml_1_2(text: str) -> None:
    found = value(f"key: {text}")
    assert found == {"key": SCALARS[text]}
    assert repr(found) == repr({"key": SCALARS[text]}), "1 is not true, and 1.0 not 1"


def test_keys_are_text_whatever_they_look_like() -> None:
    assert value("{on: 1, 2024: 2, null: 3, true: 4}") == {"on": 1, "2024": 2, "null": 3, "true": 4}


def test_a_file_may_hold_several_documents_or_none() -> None:
    assert [document.value for document in load("a: 1\n---\nb: 2\n", "file.yaml")] == [{"a": 1}, {"b": 2}]
    assert load("# only a comment\n", "file.yaml") == []


def test_every_value_has_its_place_and_an_unknown_one_that_of_its_parent() -> None:
    (document,) = load("a:\n  - {b: c}\n  - d\n", "file.yaml")
    assert document.where(("a",)) == (1, 1)
    assert document.where(("a", 0, "b")) == (2, 6)
    assert document.where(("a", 1)) == (3, 5)
    assert document.where(("a", 0, "nothing", "here")) == (2, 5)
    assert document.where(()) == (1, 1)


REFUSED = {
    "anchor": ("a: &x 1", "anchors and aliases", 1, 4),
    "alias": ("a: 1\nb: *x", "anchors and aliases", 2, 4),
    "merge key": ("a:\n  <<: {b: 1}", "merge keys", 2, 3),
    "tag": ("a: !!python/object/apply:os.system [id]", "tags are not allowed", 1, 4),
    "tag of one's own": ("%TAG ! tag:example.com,2000:\n---\na: !x 1", "tags are not allowed", 3, 4),
    "key that stands twice": ("a: 1\nb: 2\na: 3", "`a` stands here twice", 3, 1),
    "key that is a list": ("a: 1\n? [b]\n: 2", "a key must be a plain word", 2, 3),
    "terminal escape in clear": ("a: b\nc: \x1b[2J", "U+001B is not allowed", 2, 4),
    "terminal escape in disguise": ('a: b\nc: "\\e[2J"', "U+001B is not allowed", 2, 4),
    "NUL": ('a: "\\0"', "U+0000 is not allowed", 1, 4),
    "half of a surrogate pair": ('a: "\\ud800"', "U+D800 is not allowed", 1, 4),
    "such a half in clear": ("a: \ud800", "U+D800 is not allowed", 1, 4),
    "list without an end": ("a: [b\n", "expected ',' or ']'", 2, 1),
    "tab": ("a:\n\tb: 1", "cannot start any token", 2, 1),
    "unknown escape": ('a: "\\q"', "unknown escape", 1, 6),
    "mapping in a value": ("a: b: c", "mapping values are not allowed here", 1, 5),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_told_with_line_and_column(case: str) -> None:
    text, message, line, column = REFUSED[case]
    found = fault(text)
    assert message in found[0]
    assert found[1:] == (line, column)


BOMBS = {
    "lists in lists": "[" * 50_000,
    "mappings in mappings": "{a: " * 50_000,
    "blocks in blocks": "- " * 50_000,
    "complex keys": "? " * 50_000,
    "a number too large for any integer": 'a: "\\UFFFFFFFF"',
    "laughs": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
    "many documents": "---\n" * 60_000,
    "many values": "[" + "a," * 60_000 + "]",
    "many characters": "a" * (MAX_CHARACTERS + 1),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_before_anything_is_built_of_it(bomb: str) -> None:
    before = time.process_time()
    with pytest.raises(FaultyFiles):
        load(BOMBS[bomb], "file.yaml")
    assert time.process_time() - before < 10


def test_the_deepest_that_is_allowed_is_read() -> None:
    assert value("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    assert "nested deeper" in fault("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[0]


@given(st.text(alphabet=st.sampled_from("ab:-[]{}#&*!|>'\"%@`,? \n\t\\0x1e.~<"), max_size=60))
def test_no_text_gives_anything_but_data_or_faults(text: str) -> None:
    try:
        documents = load(text, "file.yaml")
    except FaultyFiles:
        return
    assert all(document.where(("any",)) for document in documents)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab :#-'\"\\\t\n{[é漢"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab -", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(
    plain | st.sampled_from(["no", "Null", "1e3", "0x1F", "1h30m", "12:30", "-", "a b", "a  b", "2026-01-01T00:00:00Z"])
)
def test_what_is_put_on_one_line_is_read_as_what_it_was(data: object) -> None:
    line = flow(data)
    assert "\n" not in line
    assert value(f"key: {line}") == {"key": data}
    assert value(f"[{line}]") == [data]


@given(plain)
def test_json_is_yaml_and_is_read_as_what_it_says(data: object) -> None:
    assert value(json.dumps(data, ensure_ascii=False)) == data


@pytest.mark.parametrize("path", sorted(shipped.directory("policies").rglob("*.y*ml")), ids=lambda path: path.stem)
def test_the_fast_reader_and_the_one_that_explains_read_the_same(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    fast, explained = yamlfile._sound(text, "x"), yamlfile._explained(text, "x")
    assert [(each.value, each.places) for each in fast] == [(each.value, each.places) for each in explained]
    assert fast
