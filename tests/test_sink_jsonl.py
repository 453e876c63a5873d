"""A file that other programs read while it is written, renamed and filled up."""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alerts import ALERT, HOSTILE, hidden, hostile

from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.registry import build
from auditor.alerts.sink import Context, Sink
from auditor.errors import ConfigError, DeliveryError


def sink(path: Path) -> Sink:
    return build("file", {"type": "jsonl", "path": str(path)})


async def send(path: Path, alert: Alert = ALERT) -> None:
    await sink(path).send(alert, Context())


def numbers(path: Path) -> list[str]:
    """The ids of the lines of a file, each of which must be one object."""
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def all_numbers(folder: Path) -> list[str]:
    return [each for file in folder.iterdir() for each in numbers(file)]


async def test_an_alert_is_a_line_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    await send(path)
    await send(path, replace(ALERT, id="2"))
    assert numbers(path) == [ALERT.id, "2"]
    assert path.stat().st_mode & 0o777 == 0o600
    told = json.loads(path.read_text().splitlines()[0])
    assert (told["level"], told["resource"]["name"], told["facts"]["Who"]) == ("high", "ci-bot", "ada@example.com")


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_text_stays_on_its_line(case: str, tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    await send(path, hostile(case))
    data = path.read_bytes()
    assert data.count(b"\n") == 1
    told: dict[str, Any] = json.loads(data.decode("utf-8"))
    assert not hidden(told["title"] + told["text"] + told["resource"]["name"] + "".join(told["facts"]))


async def test_an_event_is_one_line_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    path, raw = (
        tmp_path / "alerts.jsonl",
        '{"id":"audit_log-1","name":"a\u2028b\u0085c\u2029d\x7fe\\ud800f\\ud83d\\ude00"}',
    )
    await send(path, replace(ALERT, kind=AlertKind.EVENT, raw=raw))
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["event"]["name"] == "a\u2028b\u0085c\u2029d\x7fe\ud800f\U0001f600"


async def test_a_renamed_file_keeps_its_lines_and_a_new_one_gets_the_next(tmp_path: Path) -> None:
    path, old = tmp_path / "alerts.jsonl", tmp_path / "alerts.jsonl.1"
    one = sink(path)
    await one.send(replace(ALERT, id="1"), Context())
    path.rename(old)
    await one.send(replace(ALERT, id="2"), Context())
    assert (numbers(old), numbers(path)) == (["1"], ["2"])
    path.unlink()
    await one.send(replace(ALERT, id="3"), Context())
    assert numbers(path) == ["3"]


async def test_no_line_is_lost_to_a_collector_that_renames_reads_and_deletes(tmp_path: Path) -> None:
    path, stop, found = tmp_path / "alerts.jsonl", threading.Event(), list[str]()

    def collect() -> None:
        while not stop.is_set():
            taken = tmp_path / "taken.jsonl"
            with contextlib.suppress(FileNotFoundError):
                path.rename(taken)
                time.sleep(0.001)
                with taken.open() as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    found.extend(numbers(taken))
                    taken.unlink()

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        for number in range(300):
            await send(path, replace(ALERT, id=str(number)))
    finally:
        stop.set()
        thread.join()
    found.extend(all_numbers(tmp_path))
    assert sorted(found, key=int) == [str(number) for number in range(300)]


WRITER = """
import asyncio, sys
from dataclasses import replace
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from alerts import ALERT
async def main():
    sink = build("file", {"type": "jsonl", "path": sys.argv[1]})
    for number in range(100):
        await sink.send(replace(ALERT, id=f"{sys.argv[2]}-{number}", text="x" * 3000), Context())
asyncio.run(main())
"""


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)], env=environment) for number in range(3)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert sorted(numbers(path)) == sorted(f"{one}-{two}" for one in range(3) for two in range(100))


async def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    await send(path)
    with path.open("a") as file:
        file.write('{"id": "half')
    await send(path, replace(ALERT, id="2"))
    first, torn, after = path.read_text().splitlines()
    assert (json.loads(first)["id"], torn, json.loads(after)["id"]) == (ALERT.id, '{"id": "half', "2")


FULL = """
import asyncio, resource, signal, sys
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.errors import DeliveryError
from alerts import ALERT
sink = build("file", {"type": "jsonl", "path": sys.argv[1]})
asyncio.run(sink.send(ALERT, Context()))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))
for _ in range(3):
    try:
        asyncio.run(sink.send(ALERT, Context()))
    except DeliveryError as error:
        print(error.retryable)
"""


def test_a_full_disk_leaves_no_half_line_and_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["True"] * 3
    assert 450 < path.stat().st_size < 900, "the limit must fall into the second line"
    assert numbers(path) == [ALERT.id]


async def test_a_lock_that_is_never_given_back_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.alerts.sinks.jsonl.LOCK_TRIES", 5)
    path = tmp_path / "alerts.jsonl"
    await send(path)
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DeliveryError, match="busy") as caught:
            await send(path)
        assert caught.value.retryable
    await send(path, replace(ALERT, id="2"))
    assert numbers(path) == [ALERT.id, "2"]


async def test_what_is_no_file_is_not_written_to(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder, Path("/dev/null")):
        with pytest.raises(DeliveryError, match="cannot be written") as caught:
            await send(path)
        assert caught.value.retryable


def test_a_directory_that_is_not_there_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        sink(tmp_path / "none" / "alerts.jsonl")
    assert "there is no directory" in caught.value.message
