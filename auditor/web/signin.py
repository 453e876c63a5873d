"""Who is there: HTTP Basic, as browsers and Prometheus speak it, against hashes of passwords by bcrypt."""

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

import anyio
from anyio import to_thread
from starlette.authentication import SimpleUser
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from auditor import passwords
from auditor.alerts.recent import Recent
from auditor.log import get
from auditor.web.guard import OPEN
from auditor.web.people import People, Users

log = get(__name__)

REMEMBERED = 300.0
"""Seconds for which a password that was right is known without hashing it: a page makes several requests."""
KEPT = 1_000
WAITING = 32
"""Requests that may wait for their turn: who guesses passwords occupies neither the machine nor the memory."""
MAX_HEADER = 1_200
"""Characters of what is sent: the longest name and password, in base64, with room."""
NOBODY = f"$2b${passwords.COST}${'.' * 53}"
"""A hash of no known password."""
REALM = 'Basic realm="auditor", charset="UTF-8"'


class Result(StrEnum):
    """What came of a name and a password."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    BUSY = "busy"
    """Too many others are waiting."""


Told = Callable[[Result], None]


class Doorkeeper:
    """Says whether a password is that of a name. Used by one event loop."""

    def __init__(
        self, users: Users, told: Told = lambda result: None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._users = users
        self._told = told
        self._key = secrets.token_bytes(32)
        self._known: Recent[bytes, bool] = Recent(KEPT, now)
        self._turn = anyio.CapacityLimiter(1)
        self._waiting = 0

    async def check(self, name: str, password: bytes) -> Result:
        """Look at a name with its password. An unknown name takes as long as a wrong password."""
        users = self._users()
        hashed = users.get(name) or self._like(users, name)
        mark = self._mark(hashed, password)
        if name in users and self._known.get(mark):
            return Result.ACCEPTED
        if self._waiting >= WAITING:
            return self._tell(Result.BUSY)
        possible = name in users and passwords.fits(password)
        right = await self._matches(password if possible else b"-", hashed)
        if not (possible and right):
            return self._tell(Result.REFUSED)
        self._known.keep(mark, True, REMEMBERED)
        return self._tell(Result.ACCEPTED)

    async def _matches(self, password: bytes, hashed: str) -> bool:
        self._waiting += 1
        try:
            return await to_thread.run_sync(passwords.matches, password, hashed, limiter=self._turn)
        finally:
            self._waiting -= 1

    def _like(self, users: Mapping[str, str], name: str) -> str:
        """The hash of somebody else, always the same for a name: its cost is one that names here have."""
        hashes = sorted(users.values())
        pick = int.from_bytes(hmac.digest(self._key, name.encode("utf-8", "replace"), "sha256"))
        return hashes[pick % len(hashes)] if hashes else NOBODY

    def _mark(self, hashed: str, password: bytes) -> bytes:
        """What is remembered of a password: nobody can guess it without the key, and with a new hash it is another."""
        return hmac.digest(self._key, hashed.encode() + b"\0" + password, "sha256")

    def _tell(self, result: Result) -> Result:
        self._told(result)
        return result


class SignIn:
    """ASGI middleware: who does not say who they are sees nothing but the health of the daemon.

    Behind it, the scope of a request holds `user`, for `request.user`, if somebody signed in.
    """

    def __init__(self, app: ASGIApp, people: People) -> None:
        self.app = app
        self._people = people
        self._door = Doorkeeper(people.users, people.signed_in)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the requests of people who are known here, and of everybody where nobody is asked."""
        if scope["path"] in OPEN or not self._people.asked:
            return await self.app(scope, receive, send)
        given = _given(Headers(scope=scope))
        if given is None:
            return await _refusal("Sign in with a name that the auditor knows.")(scope, receive, send)
        name, password = given
        result = await self._door.check(name, password)
        if result is Result.ACCEPTED:
            return await self.app({**scope, "user": SimpleUser(name)}, receive, send)
        if result is Result.BUSY:
            busy = PlainTextResponse("Too many people sign in at once; try again.\n", 503, {"retry-after": "5"})
            return await busy(scope, receive, send)
        # Who types the password where the name belongs is not to find it in the log.
        user = name if name in self._people.users() else "unknown"
        log.warning("page.sign_in_failed", user=user, address=_address(scope))
        return await _refusal("Name or password is wrong.")(scope, receive, send)


def _given(headers: Headers) -> tuple[str, bytes] | None:
    """Name and password of a request; None when there are none, or nothing that could be."""
    scheme, _, sent = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or len(sent) > MAX_HEADER:
        return None
    try:
        name, colon, password = base64.b64decode(sent.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _refusal(sentence: str) -> PlainTextResponse:
    return PlainTextResponse(f"{sentence}\n", 401, {"www-authenticate": REALM})
