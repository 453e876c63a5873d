"""sigma-rule-matcher, asked through a pipe."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from peers.conditions import Condition
from peers.rules import sigma
from peers.timing import Engine, Matches

PYTHON = "AUDITOR_BENCH_MATCHER"
"""Environment variable with the interpreter that has sigma-rule-matcher."""


class Answer(TypedDict):
    """What the other process says."""

    seconds: float
    """CPU time."""
    found: list[tuple[str, str]]


def matcher(rules: Mapping[str, Condition], events: Sequence[Mapping[str, Any]], most: int) -> list[Engine[int, Any]]:
    """The engine for the first `most` of `events`; none where its environment is not there."""
    python = os.environ.get(PYTHON)
    if not python:
        print(f"sigma-rule-matcher is left out: {PYTHON} names no interpreter that has it")
        return []
    worker = subprocess.Popen(
        [python, str(Path(__file__).parent / "matcherworker.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin
    assert worker.stdout
    asked, answers = worker.stdin, worker.stdout
    written = [_without_null(sigma(name, condition)) for name, condition in rules.items()]
    asked.write(json.dumps({"rules": written, "events": list(events[:most])}) + "\n")

    def run(some: Sequence[int]) -> Answer:
        asked.write(f"{len(some)}\n")
        asked.flush()
        answer: Answer = json.loads(answers.readline())
        return answer

    def meaning(answer: Answer) -> Matches:
        return {(name, event) for name, event in answer["found"]}

    return [Engine("sigma-rule-matcher", run, meaning, most, elsewhere=lambda answer: answer["seconds"])]


def _without_null(written: Any) -> Any:
    """The same where what is not there is asked for by `exists`: null is not known there."""
    if not isinstance(written, dict):
        return written
    return {
        f"{key}|exists" if value is None else key: False if value is None else _without_null(value)
        for key, value in written.items()
    }
