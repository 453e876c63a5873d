"""Ten thousand spoilt policy files: each loads, or is refused with a place and a reason, and none takes a second.

Some hundred of them always; all of them with AUDITOR_PROVE=1, as `make prove` does.
"""

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from policymutations import SOUND, WORDS, mutated

from auditor.errors import Fault, FaultyFiles
from auditor.policy.examples import check
from auditor.policy.load import load

FILES = 10_000 if os.environ.get("AUDITOR_PROVE") else 400
SHARE = 50
"""Files a test looks at."""
PATIENCE = 1.0
"""Seconds of the processor for one file."""


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


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_each_word_that_has_hurt_somebody_is_harmless_wherever_a_policy_has_text(tmp_path: Path, word: str) -> None:
    sound = next(file for file in SOUND if file.name == "project-key-stale.yaml").read_text(encoding="utf-8")
    places = ("90d", "last_used_at", "unused or never_used", "{{ name }}", "Delete the key", "project_api_key", "high")
    for place in places:
        assert place in sound
        file = tmp_path / "project-key-stale.yaml"
        file.write_bytes(sound.replace(place, word).encode("utf-8", errors="surrogatepass"))
        assert refused(file) != (), place
