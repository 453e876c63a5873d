"""Serving: inside an event loop, and as a program that says where it listens and ends at a signal."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from organization import small

from auditor.errors import ConfigError
from auditor.simulator.organization import Size
from auditor.simulator.serve import simulate
from auditor.simulator.server import ROOT, create_app
from auditor.web.server import serve

PROGRAM = """
import sys
from auditor.simulator.organization import Size
from auditor.simulator.serve import simulate
key, refuse, scenario = sys.argv[1:]
simulate(0, 7, Size.SMALL, key or None, refuse.split(), scenario or None)
"""


def start(key: str = "", refuse: str = "", scenario: str = "") -> tuple[subprocess.Popen[str], str]:
    """The running program, and the address that its first line gives."""
    program: Sequence[str] = (sys.executable, "-c", PROGRAM, key, refuse, scenario)
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    line = process.stdout.readline().rstrip("\n")
    assert line.startswith("listening on http://127.0.0.1:"), line
    assert line.endswith("/v1")
    return process, line.removeprefix("listening on ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_serves_until_a_signal_and_ends_cleanly(number: signal.Signals) -> None:
    process, address = start(key="sk-admin-key_1", refuse="group", scenario="takeover")
    with process, httpx.Client(base_url=address, headers={"Authorization": "Bearer sk-admin-key_1"}) as client:
        assert client.get("/organization/users").status_code == 200
        assert client.get("/organization/groups").status_code == 403
        assert client.get("/organization/users", headers={"Authorization": "Bearer other"}).status_code == 401
        started = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=5)

    assert (process.returncode, out) == (0, "")
    assert "sk-admin-key_1" not in err
    assert time.monotonic() - started < 3


def test_any_key_will_do_when_none_is_given() -> None:
    process, address = start()
    with process:
        assert httpx.get(f"{address}/organization/users", headers={"Authorization": "Bearer any"}).status_code == 200
        process.terminate()
        _, err = process.communicate(timeout=5)

    assert "any" in err


def test_the_command_serves_the_faults_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("rules: [{match: {kind: user}, do: {status: 503}, times: 1}]")
    command = (sys.executable, "-m", "auditor", "simulate", "--port", "0", "--faults", str(file))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().rstrip("\n").removeprefix("listening on ")
        with httpx.Client(base_url=address, headers={"Authorization": "Bearer any"}, trust_env=False) as client:
            assert [client.get("/organization/users").status_code for _ in range(2)] == [503, 200]
        process.terminate()
        process.communicate(timeout=5)


def test_faults_that_are_none_are_told_with_their_line_and_nothing_is_served(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("rules:\n  - do: {explode: now}\n")
    command = (sys.executable, "-m", "auditor", "simulate", "--port", "0", "--faults", str(file))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{file}:2:5" in done.stderr


def test_what_cannot_be_done_is_said_before_anything_is_served() -> None:
    with pytest.raises(ConfigError, match="no scenario 'holiday'"):
        simulate(0, 7, Size.SMALL, None, (), "holiday")


async def test_a_taken_port_is_told_with_a_next_step() -> None:
    app = create_app(small(), keys=None)
    async with serve(app, "127.0.0.1", 0) as address:
        port = int(address.rsplit(":", 1)[1])
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            async with serve(app, "127.0.0.1", port):
                pass

    assert "port" in caught.value.hint


async def test_open_connections_do_not_hold_up_the_end() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    async with httpx.AsyncClient(headers={"Authorization": "Bearer any"}, trust_env=False) as client:
        async with serve(create_app(small(), keys=None), "127.0.0.1", 0) as address:
            answers = [client.get(f"{address}{ROOT}/organization/users") for _ in range(10)]
            assert {answer.status_code for answer in await asyncio.gather(*answers)} == {200}
            assert before == {number: signal.getsignal(number) for number in before}
            ended = time.monotonic()
        assert time.monotonic() - ended < 1
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{address}{ROOT}/organization/users")
