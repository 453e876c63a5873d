"""From the errors of both databases to StoreError: what happened, what to do, and whether trying again may help."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import exc

from auditor.errors import StoreError


class _Fault(NamedTuple):
    message: str
    hint: str
    retryable: bool = False


_FULL = _Fault("the disk is full", "make room; nothing half written was kept, and work resumes by itself", True)
_LOCKED = _Fault("the database is locked", "is another program holding it open? the next try may go through", True)
_READ_ONLY = _Fault("the database is read-only", "check the owner and the mode of the file and of its directory")
_DAMAGED = _Fault("the database is damaged", "restore the last backup, and check the disk")
_BROKEN_DISK = _Fault("the disk failed", "look into the kernel's log; nothing half written was kept", True)
_NO_PRIVILEGE = _Fault("the database user lacks a privilege", "make it the owner of the database")
_CHANGED = _Fault("another transaction came in between", "the next try may go through", True)

# https://www.sqlite.org/rescode.html, primary result codes
_SQLITE: Mapping[int, _Fault] = {
    5: _LOCKED,
    6: _LOCKED,
    8: _READ_ONLY,
    10: _BROKEN_DISK,
    11: _DAMAGED,
    13: _FULL,
    14: _Fault("the database cannot be opened", "check that its directory exists and may be written"),
    23: _Fault("access to the database was denied", "check the owner and the mode of the file"),
    26: _Fault("the file is not an SQLite database", "name another file under `store`, or move this one away"),
}

# https://www.postgresql.org/docs/current/errcodes-appendix.html; the longest prefix that fits counts
_POSTGRES: Mapping[str, _Fault] = {
    "08": _Fault(
        "the database server cannot be reached", "is it running, and is the address under `store` right?", True
    ),
    "25006": _READ_ONLY,
    "28": _Fault("the database server refused the login", "check the user and the password under `store`"),
    "3D000": _Fault("the database does not exist", "create it with createdb, or name another one under `store`"),
    "40": _CHANGED,
    "3F000": _NO_PRIVILEGE,
    "42501": _NO_PRIVILEGE,
    "53100": _FULL,
    "53300": _Fault("the database server has no connection left", "raise max_connections, or run fewer replicas", True),
    "55P03": _LOCKED,
    "57": _Fault("the database server ended the session", "is it restarting? the next try may go through", True),
    "58": _BROKEN_DISK,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
_UNREACHABLE = _POSTGRES["08"]


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what the database raises into StoreError; `where` names the database, without its password."""
    try:
        yield
    except exc.TimeoutError as error:
        # The pool of connections: this process keeps them all busy.
        raise _told(_LOCKED, where, "no connection became free in time") from error
    except exc.DBAPIError as error:
        raise _told(_fault(error), where, str(error.orig)) from error


def _told(fault: _Fault, where: str, detail: str) -> StoreError:
    first = detail.strip().splitlines()[0] if detail.strip() else "no reason given"
    return StoreError(f"{where}: {fault.message} ({first})", hint=fault.hint, retryable=fault.retryable)


def _fault(error: exc.DBAPIError) -> _Fault:
    code = getattr(error.orig, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _SQLITE.get(code & 0xFF, _other())
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        return next((_POSTGRES[state[:n]] for n in (5, 2) if state[:n] in _POSTGRES), _other())
    # psycopg has no code for a connection that was refused or that broke off.
    if isinstance(error, exc.OperationalError) or error.connection_invalidated:
        return _login(str(error.orig)) or _UNREACHABLE
    return _other()


def _login(detail: str) -> _Fault | None:
    """A refusal during the login comes as text only."""
    if "password authentication failed" in detail or "no password supplied" in detail:
        return _POSTGRES["28"]
    if "database" in detail and "does not exist" in detail:
        return _POSTGRES["3D000"]
    return None


def _other() -> _Fault:
    return _Fault("the database refused a statement", "this is a fault of auditor: please report it")
