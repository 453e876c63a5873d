"""Ten thousand spoilt policy files: each loads, or is refused with a place and a reason, and none takes a second.

Some hundred of them always; all of them with AUDITOR_PROVE=1, as `make prove` does.
"""

import os
import resource
import time
from collections import Counter
from pathlib import Path

import pytest
from policyfiles import RULE, state
from policymutations import SOUND, WORDS, mutated

from auditor.errors import Fault, FaultyFiles
from auditor.policy.examples import check
from auditor.policy.load import load

FILES = 10_000 if os.environ.get("AUDITOR_PROVE") else 400
SHARE = 50
"""Files a test looks at."""
PATIENCE = 1.0 if os.environ.get("AUDITOR_PROVE") else 10.0
"""Seconds of the processor for one file; the figure is for a machine that does nothing else."""
PLL = "'\\pL{50}\\pN{40}#'"
"""An expression of a few characters whose program has thousands of instructions."""
QUESTIONS = f"'{'?' * 900}#'"


def refused(file: Path) -> tuple[Fault, ...] | None:
    """The faults that are told of a file, None when it loads and its examples run. Any other error is a bug."""
    before = time.process_time()
    try:
        check(load([str(file)], {}, {}))
    except FaultyFiles as error:
        return error.faults
    finally:
        assert time.process_time() - before < PATIENCE
    return None


def outcome(folder: Path, number: int) -> str:
    """What becomes of a spoilt file: it loads, or all its faults are told."""
    name, raw = mutated(number)
    file = folder / name
    file.write_bytes(raw)
    faults = refused(file)
    file.unlink()
    if faults is None:
        return "loaded"
    assert faults, f"file {number} was refused without a word"
    assert all(fault.file == str(file) and fault.message for fault in faults), number
    return "refused"


@pytest.mark.parametrize("first", range(0, FILES, SHARE))
def test_a_spoilt_file_is_loaded_or_refused_in_no_time(tmp_path: Path, first: int) -> None:
    outcomes = Counter(outcome(tmp_path, number) for number in range(first, first + SHARE))
    assert outcomes["refused"] > SHARE / 3, "the files are hardly spoilt"


def test_the_files_are_spoilt_in_many_ways_and_not_beyond_recognition(tmp_path: Path) -> None:
    outcomes = Counter(outcome(tmp_path, number) for number in range(200))
    assert outcomes["loaded"] > 10
    assert len({mutated(number)[0] for number in range(400)}) > len(SOUND) / 2
    assert len({mutated(number)[1] for number in range(400)}) > 390
    assert mutated(7) == mutated(7)


def many(count: int, each: str) -> str:
    return ", ".join(each.replace("#", str(number)) for number in range(count))


HEAVY = {
    "heavy expressions": state(f"{{bad: {{name|re: [{many(8000, PLL)}]}}, condition: bad}}"),
    "heavy expressions, a field each": state(f"{{bad: [{many(4000, '{name|re: ' + PLL + '}')}], condition: bad}}"),
    "long expressions": state(f"{{bad: {{name|re: [{many(150, 'a' * 990 + '[a-z#]')}]}}, condition: bad}}"),
    "many texts": state(f"{{bad: {{name|contains: [{many(20_000, 'a#')}]}}, condition: bad}}"),
    "many stars": state(f"{{bad: {{name: ['{'*a' * 90_000}']}}, condition: bad}}"),
    "many question marks": state(f"{{bad: {{name: [{many(190, QUESTIONS)}]}}, condition: bad}}"),
    "many plain values": state(f"{{bad: {{name: [{many(20_000, 'a#')}]}}, condition: bad}}"),
    "many networks": state(f"{{bad: {{name|cidr: [{many(12_000, '10.0.0.0/8')}]}}, condition: bad}}"),
    "many unknown fields": state(f"{{bad: {{{many(12_000, 'nmae#: a')}}}, condition: bad}}"),
    "many unknown keys": state("{bad: {name: a}, condition: bad}") + "".join(f"titel{i}: a\n" for i in range(12_000)),
    "many selections": state(f"{{{many(9000, 's#: {name: a}')}, condition: 1 of s*}}"),
    "many conditions": state(f"{{bad: {{name: a}}, condition: [{many(9000, '1 of b*')}]}}"),
    "many brackets": state(f"{{bad: {{name: a}}, condition: '{'(' * 900}bad{')' * 900}'}}"),
    "many negations": state(f"{{bad: {{name: a}}, condition: '{'not ' * 480}bad'}}"),
    "many parameters": state("{bad: {name: a}, condition: bad}") + f"params: {{{many(9000, 'p#: 1')}}}\n",
    "many examples": state("{bad: {name: bad}, condition: bad}").replace(
        "examples:\n", "examples:\n" + "  - {name: a, expect: fail, resource: {name: bad}}\n" * 3500
    ),
    "many rules": RULE
    + "detection: {s: {a: b}, condition: s}\n"
    + f"""---
title: Many
name: many
correlation: {{type: event_count, rules: [{many(9000, "rule")}], timespan: 5m, condition: {{gte: 3}}}}
""",
    "many groups": RULE
    + "detection: {s: {type: a}, condition: s}\n"
    + f"""---
title: Many
name: many
correlation: {{type: event_count, rules: [rule], group-by: [id], timespan: 5m, condition: {{gte: 1}}}}
examples: [{{name: a, expect: fail, events: [{many(4000, "{id: e#, type: a, effective_at: 1}")}]}}]
""",
    "many documents": "---\n".join([RULE + "detection: {s: {a: b}, condition: s}\n"] * 900),
    "many open brackets": "---\n".join([f"{RULE}detection: {{s: {{a: b}}, condition: {'(' * 900}s}}\n"] * 95),
    "many long conditions": "---\n".join(
        f"{RULE}detection: {{s: {{a: b}}, condition: {'s or (s and s) or ' * number}s}}\n" for number in range(30, 110)
    ),
    "a long text": f"title: {'a' * 190_000}\n",
    "a long comment": "#" * 190_000,
    "more than a policy may be long": "a: b\n" + "#\n" * 110_000,
}
"""Files that are as heavy as a file may be."""


@pytest.mark.parametrize("case", HEAVY)
def test_a_heavy_file_takes_no_long_time_and_no_great_memory(tmp_path: Path, case: str) -> None:
    file = tmp_path / f"{'many' if 'correlation:' in HEAVY[case] else 'policy'}.yaml"
    file.write_text(HEAVY[case], encoding="utf-8")
    before = memory()
    assert refused(file) != ()
    assert memory() - before < 64 << 20


def memory() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_each_word_that_has_hurt_somebody_is_harmless_wherever_a_policy_has_text(tmp_path: Path, word: str) -> None:
    sound = next(file for file in SOUND if file.name == "project-key-stale.yaml").read_text(encoding="utf-8")
    places = ("90d", "last_used_at", "unused or never_used", "{{ name }}", "Delete the key", "project_api_key", "high")
    for place in places:
        assert place in sound
        file = tmp_path / "project-key-stale.yaml"
        file.write_bytes(sound.replace(place, word).encode("utf-8", errors="surrogatepass"))
        assert refused(file) != (), place
