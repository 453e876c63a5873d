"""A file with one JSON object a line, for agents that ship logs. Format: https://jsonlines.org

Each line is on the disk before it counts as delivered. The file may be renamed at any time: the next line goes into a
new one. Several processes may write to one file.
"""

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from auditor.alerts.aside import aside
from auditor.alerts.document import document, fitted, readable
from auditor.alerts.message import Alert
from auditor.alerts.sink import Context, Example, Receipt, SinkConfig
from auditor.errors import ConfigError, DeliveryError

LINE_MAX = 1_000_000
"""Bytes: what agents that ship logs take as one line."""
LOCK_TRIES = 500  # at least 10 seconds


class Config(SinkConfig):
    """`path` of the file. It is made readable for its owner only; its directory must exist."""

    path: Path

    def ready(self) -> None:
        """Raise ConfigError when there is no directory for the file."""
        if not self.path.parent.is_dir():
            raise ConfigError(f"path: there is no directory {self.path.parent}", hint="make it, or name another one")


TAKES_EVENTS = True

EXAMPLES = {"jsonl": Example({"path": "{folder}/alerts.jsonl"})}


def render(config: Config, alert: Alert) -> str:
    """The line, laid out for reading."""
    return readable(_line(alert))


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Append the line and wait for the disk. Raises DeliveryError, retryable: disks get space again."""
    try:
        await aside(lambda: _append(config.path, _line(alert) + b"\n"))
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise DeliveryError(f"{config.path} cannot be written: {reason}", retryable=True) from None
    return Receipt({"path": str(config.path)})


def _line(alert: Alert) -> bytes:
    return fitted(lambda lines: document(alert, lines), LINE_MAX)


def _append(path: Path, line: bytes) -> None:
    # The file that was opened may be moved away, and even be deleted, before the lock is ours: then once more.
    while True:
        file = _open(path)
        try:
            _lock(file)
            if _is_at(path, file):
                if os.fstat(file).st_size == 0:
                    _sync_directory(path.parent)
                _write(file, line)
                return
        finally:
            os.close(file)


def _open(path: Path) -> int:
    # Without O_NONBLOCK a pipe that nobody reads would hold us here.
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError("it is no file")
    return file


def _lock(file: int) -> None:
    """Wait for others who write, but not for one that hangs."""
    for _ in range(LOCK_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.02)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _write(file: int, line: bytes) -> None:
    """Write all of it or nothing: half a line would break the next one, too."""
    size = os.fstat(file).st_size
    # What a crash left unfinished gets its end, and is one bad line instead of two.
    torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
    data = b"\n" + line if torn else line
    try:
        if os.write(file, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise


def _sync_directory(folder: Path) -> None:
    """A new file is lost in a power failure unless its name is on the disk, too."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
