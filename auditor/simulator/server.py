"""The simulated Admin API as a Starlette application: real paths, bearer authentication, real error bodies."""

import itertools
import time
from collections.abc import Callable, Collection
from datetime import datetime

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auditor import clock
from auditor.errors import ConfigError
from auditor.simulator import organization_routes, project_routes, usage
from auditor.simulator.endpoints import Endpoint
from auditor.simulator.faults.choice import Faults
from auditor.simulator.faults.layer import Layer
from auditor.simulator.ledger import Exchange, Ledger
from auditor.simulator.model import Organization
from auditor.simulator.query import parse
from auditor.simulator.refusals import Refusal, bad_key, missing_scopes, no_key

ROOT = "/v1"
"""Below this are all paths, as behind the real base URL."""
_KIND, _ITEMS = "simulator.kind", "simulator.items"


def endpoints(now: Callable[[], datetime] = clock.now) -> tuple[Endpoint, ...]:
    """Every endpoint of the simulated API; `now` bounds the reports of usage."""
    reports = usage.endpoints(lambda: clock.epoch(now()))
    return (*organization_routes.ENDPOINTS, *project_routes.ENDPOINTS, *reports)


def create_app(
    organization: Organization,
    *,
    keys: Collection[str] | None,
    refuse: Collection[str] = (),
    now: Callable[[], datetime] = clock.now,
    faults: Faults | None = None,
) -> Starlette:
    """The application that serves `organization` as it stands at each request.

    `keys` are the bearers it accepts, None accepts any. `refuse` names kinds (as RESOURCES does, and `audit_event`)
    that are answered with 403. `app.state.ledger` keeps every exchange, `app.state.organization` what is served,
    `app.state.faults` the rules of what goes wrong, which a test may change at any time.
    Raises ConfigError for a kind that does not exist.
    """
    table = endpoints(now)
    kinds = sorted({endpoint.kind for endpoint in table})
    for kind in refuse:
        if kind not in kinds:
            raise ConfigError(f"nothing of kind {kind!r} can be refused", hint=f"one of {', '.join(kinds)}")
    ledger = Ledger()
    faults = faults or Faults()
    app = Starlette(
        routes=[_route(endpoint, organization, keys, endpoint.kind in refuse) for endpoint in table],
        middleware=[
            Middleware(_Wire, organization=organization, ledger=ledger),
            Middleware(Layer, faults=faults, root=ROOT, kind_of=_kinds_by_path(table), items_key=_ITEMS),
            Middleware(GZipMiddleware, minimum_size=1024, compresslevel=1),
        ],
        exception_handlers={Refusal: _refused, HTTPException: _no_route},
    )
    app.router.redirect_slashes = False
    app.state.ledger = ledger
    app.state.organization = organization
    app.state.faults = faults
    return app


def _kinds_by_path(table: Collection[Endpoint]) -> Callable[[str], str | None]:
    patterns = [(compile_path(endpoint.path)[0], endpoint.kind) for endpoint in table]
    return lambda path: next((kind for pattern, kind in patterns if pattern.match(path)), None)


def _route(endpoint: Endpoint, organization: Organization, keys: Collection[str] | None, refused: bool) -> Route:
    async def answer(request: Request) -> Response:
        _authenticate(request, keys)
        if request.method != "GET":
            raise _wrong_method(request)
        request.scope[_KIND] = endpoint.kind
        if refused:
            raise missing_scopes(endpoint.scope)
        query = parse(request.query_params.multi_items(), endpoint.known)
        page = endpoint.answer(organization, request.path_params, query)
        request.scope[_ITEMS] = page.ids
        return _json(page.body)

    return Route(ROOT + endpoint.path, answer, name=endpoint.path)


def _authenticate(request: Request, keys: Collection[str] | None) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise no_key()
    if keys is not None and key not in keys:
        raise bad_key("*" * 8 + (key[-4:] if len(key) > 20 else ""))


def _wrong_method(request: Request) -> Refusal:
    hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
    return Refusal(405, f"Not allowed to {request.method} on {request.url.path}. {hint}")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - Starlette hands over what it was registered for
    return _json(error.body, error.status)


async def _no_route(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: a path that is none, and a method that a route does not know."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    url = f"{request.method} {request.url.path}"
    refusal = _wrong_method(request) if status == 405 else Refusal(status, f"Invalid URL ({url})")
    return _json(refusal.body, status)


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


class _Wire:
    """The outermost layer: puts the API's headers on every answer and enters the exchange into the ledger."""

    def __init__(self, app: ASGIApp, organization: Organization, ledger: Ledger) -> None:
        self._app = app
        self._organization = organization
        self._ledger = ledger
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = f"req_{next(self._numbers):012x}"
        answered = False

        async def marked(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["openai-organization"] = self._organization.id
                headers["openai-processing-ms"] = str(int((time.perf_counter() - started) * 1000))
                answered = True
                self._note(scope, message["status"], request_id)
            await send(message)

        await self._app(scope, receive, marked)
        if not answered:
            self._note(scope, 0, request_id)

    def _note(self, scope: Scope, status: int, request_id: str) -> None:
        self._ledger.add(
            Exchange(
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("ascii", "replace"),
                status=status,
                request_id=request_id,
                kind=scope.get(_KIND),
                items=tuple(scope.get(_ITEMS, ())),
            )
        )
