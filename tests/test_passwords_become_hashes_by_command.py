"""`auditor web password`: asks a person without showing anything, reads a line otherwise, refuses what cannot work."""

import os
import pty
import select
import subprocess
import time

import bcrypt
import pytest
from commands import command, environment

from auditor import passwords


def piped(data: bytes, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        command("web", "password", *arguments), input=data, env=environment(), capture_output=True, check=False
    )


def test_a_line_of_standard_input_becomes_a_hash_that_the_configuration_takes() -> None:
    done = piped("correct horse stäple\n".encode(), "--cost", "10")
    (line,) = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr) == (0, b"")
    assert passwords.hash_of(line).startswith("$2b$10$")
    assert bcrypt.checkpw("correct horse stäple".encode(), line.encode())


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"x" * 73, "ä".encode() * 37, b"a\tb\n", b"a\0b\n", b"\xff\xfe\n", b"\x1b[2J\n"]
)
def test_what_nobody_could_sign_in_with_is_refused_and_not_repeated(data: bytes) -> None:
    done = piped(data)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"1 to 72 bytes" in done.stderr
    assert b"hint:" in done.stderr


def test_72_bytes_fit() -> None:
    assert piped(b"x" * 72, "--cost", "10").returncode == 0


@pytest.mark.parametrize("cost", ["9", "15", "x"])
def test_a_cost_that_is_too_low_or_too_high_is_refused(cost: str) -> None:
    assert piped(b"secret\n", "--cost", cost).returncode == 2


def test_a_person_is_asked_twice_and_nothing_that_is_typed_is_shown() -> None:
    inside, outside = pty.openpty()
    try:
        with subprocess.Popen(
            command("web", "password", "--cost", "10"),
            stdin=outside,
            stdout=subprocess.PIPE,
            stderr=outside,
            env=environment(),
            start_new_session=True,
        ) as asked:
            shown = _read(inside, b"Password")
            os.write(inside, b"tell nobody\n")
            shown += _read(inside, b"Again")
            os.write(inside, b"tell nobody\n")
            assert asked.stdout is not None
            line = asked.stdout.read().decode().strip()
            assert asked.wait(30) == 0
    finally:
        os.close(inside)
        os.close(outside)
    assert b"nobody" not in shown
    assert bcrypt.checkpw(b"tell nobody", line.encode())


def _read(terminal: int, until: bytes) -> bytes:
    """What the terminal shows, until it shows `until`."""
    shown, end = b"", time.monotonic() + 30
    while until not in shown:
        assert time.monotonic() < end, shown
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 1000)
    return shown
