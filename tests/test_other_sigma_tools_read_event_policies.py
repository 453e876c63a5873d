"""Event policies as SQL, by a converter that others wrote: it takes each of them, and finds what we find."""

import itertools
import re
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import yaml
from policyfiles import RULE
from sigma.backends.sqlite.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import ValueListPlaceholderTransformation

from auditor import shipped
from auditor.policy.load import load
from auditor.policy.model import Example
from auditor.policy.policyset import Judge
from auditor.terms import Outcome

EVENTS = sorted(
    file
    for file in (shipped.directory("policies") / "openai").rglob("*.yaml")
    if "\nlogsource:" in file.read_text(encoding="utf-8")
)
SINGLE = [file for file in EVENTS if "\ncorrelation:" not in file.read_text(encoding="utf-8")]

each_policy = pytest.mark.parametrize("file", EVENTS, ids=[file.stem for file in EVENTS])
each_rule = pytest.mark.parametrize("file", SINGLE, ids=[file.stem for file in SINGLE])


def converted(file: Path) -> list[str]:
    """The queries of a file. Raises SigmaError, as the converter does."""
    params: dict[str, object] = {}
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        params |= document.get("params", {})
    values = {name: list(_listed(value)) for name, value in params.items()}
    placeholders = ProcessingItem(ValueListPlaceholderTransformation())
    pipeline = ProcessingPipeline(items=[placeholders], vars=values)
    backend = sqliteBackend(processing_pipeline=pipeline)  # type: ignore[no-untyped-call]
    return [str(query) for query in backend.convert(SigmaCollection.load_ruleset([str(file)]))]


def _listed(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else [value]


@each_policy
def test_every_event_policy_becomes_a_query(file: Path) -> None:
    (query,) = converted(file)
    assert query.startswith(("SELECT", "WITH"))


FAULTY = {
    "no field": "detection: {s: {type|contians: a}, condition: s}\n",
    "no selection": "detection: {s: {type: a}, condition: t}\n",
    "no condition": "detection: {s: {type: a}}\n",
    "an undeclared parameter": "detection: {s: {type|expand: '%x%'}, condition: s}\n",
}


@pytest.mark.parametrize("case", FAULTY)
def test_the_converter_would_notice_a_bad_rule(tmp_path: Path, case: str) -> None:
    file = tmp_path / "rule.yaml"
    file.write_text(RULE + FAULTY[case], encoding="utf-8")
    with pytest.raises(SigmaError):
        converted(file)


def finds(query: str, rule: Judge, fields: Mapping[str, object], absent: str | None) -> bool:
    """Whether SQLite finds an event with these fields; `absent` stands where `rule` reads one that is not there.

    A column of SQL holds one value: a list becomes a row for each of its elements, of which one must be found.
    """
    database = sqlite3.connect(":memory:")
    database.create_function("REGEXP", 2, lambda pattern, value: value is not None and bool(re.search(pattern, value)))
    asked: dict[str, object] = dict.fromkeys(sorted(rule.matcher.fields), absent)
    rows = itertools.product(*(_listed(value) for value in fields.values()))
    for row in itertools.islice(rows, 100):
        # SQLite takes names that differ in case for one.
        values = {name.casefold(): value for name, value in (asked | dict(zip(fields, row, strict=True))).items()}
        # NUMERIC compares 3 with '3' by its digits, as Sigma does.
        names, marks = ", ".join(f"`{name}` NUMERIC" for name in values), ", ".join("?" for _ in values)
        database.execute(f"CREATE TABLE IF NOT EXISTS logs ({names})")
        database.execute(f"INSERT INTO logs VALUES ({marks})", [*values.values()])  # noqa: S608 - question marks
    return bool(database.execute(query).fetchall())


def ruled(file: Path) -> tuple[Judge, list[Example]]:
    """The rule of a file, and its examples of one event; a list of nothing is nothing that a column could hold."""
    (rule,) = load([str(file)], {}, {}).rules
    single = [example for example in rule.policy.examples if len(example.records) == 1]
    return rule, [example for example in single if [] not in example.records[0].fields.values()]


@each_rule
def test_it_finds_in_the_examples_what_the_policy_finds(file: Path) -> None:
    (query,) = converted(file)
    rule, examples = ruled(file)
    for example in examples:
        # To SQL NULL neither equals nor differs, and to Sigma what is absent differs from everything.
        found = {finds(query, rule, example.records[0].fields, absent) for absent in (None, "")}
        assert (example.expect is Outcome.FAIL) in found, example.name
        assert len(found) == 1 or rule.matcher.fields - example.records[0].fields.keys(), example.name
