"""Text files that people write: read whole, and never more than fits."""

from pathlib import Path

from auditor.errors import ConfigError, Fault, FaultyFiles


def read(path: Path, what: str, most: int, *, unreadable: str, large: str, foreign: str) -> str:
    """The text of `what` at `path`, in UTF-8 and at most `most` bytes.

    Raises ConfigError, or FaultyFiles for one that is too long, with the hint for what is wrong: it cannot be read, is
    too `large`, or is in a `foreign` encoding.
    """
    try:
        with path.open("rb") as file:
            # One byte more than fits shows that there is more, however large the file is.
            data = file.read(most + 1)
        if len(data) > most:
            raise FaultyFiles([Fault(str(path), 0, 0, f"more than {most:,} bytes", large)])
        return data.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {what} {path}: {error.strerror}", hint=unreadable) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", hint=foreign) from error
