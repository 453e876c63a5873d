"""The page: which address shows what, and which forms it takes. Server-rendered, without a line of script."""

from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from auditor.errors import AuditorError
from auditor.reporting.render import asset, environment
from auditor.web.deciding import Deciding
from auditor.web.forms import BadForm
from auditor.web.guard import HEADERS, Guard
from auditor.web.pages import Pages, in_thread
from auditor.web.people import People
from auditor.web.query import BadQuery
from auditor.web.reader import PageReader
from auditor.web.signin import SignIn

Probe = Callable[[], Sequence[str]]
"""What is wrong, in fixed words of our own (`store`); empty when all is well."""

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STYLES = frozenset({"style.css", "page.css"})

_SENTENCES: Mapping[int, str] = {
    400: "This request cannot be understood.",
    404: "There is nothing at this address.",
    405: "This address takes no such request.",
    500: "Something went wrong here; the log of the daemon says what.",
    503: "The store does not answer right now; try again in a moment.",
}


def create_app(
    read: PageReader,
    metrics: Callable[[], bytes],
    ready: Probe,
    live: Probe,
    *,
    hosts: Collection[str] = (),
    people: People | None = None,
) -> Starlette:
    """The page as an ASGI application.

    `metrics` gives the text of the Prometheus exposition; it and `ready` may block, `live` must not: it is asked
    in the event loop, so that an occupied store does not make a living daemon look dead. `hosts` are the names,
    without port, by which the page may be asked for besides those of loopback. `people` are
    those who may come; without users anybody may, and nothing can be decided.
    """
    people = people or People()
    pages = Pages(read, people)
    deciding = Deciding(pages, people)
    routes = [
        Route("/", pages.overview),
        Route("/findings", pages.findings),
        Route("/findings/{id}", pages.finding),
        Route("/findings/{id}/acknowledge", deciding.acknowledge, methods=["POST"]),
        Route("/findings/{id}/waive", deciding.waive, methods=["POST"]),
        Route("/waivers", pages.waivers),
        Route("/waivers/{id}/end", deciding.end, methods=["POST"]),
        Route("/policies", pages.policies),
        Route("/events", pages.events),
        Route("/coverage", pages.coverage),
        Route("/deliveries", pages.deliveries),
        Route("/reports", pages.reports),
        Route("/reports/{sha256}", pages.stored_report),
        Route("/report", pages.report),
        Route("/assets/{name}", _style),
        Route("/livez", _live(live)),
        Route("/readyz", _ready(ready)),
        Route("/healthz", _live(live)),
        Route("/metrics", _metrics(metrics)),
    ]
    handlers = dict.fromkeys((HTTPException, BadQuery, BadForm, AuditorError, Exception), _failed)
    middleware = [Middleware(Guard, hosts, lambda: people.asked), Middleware(SignIn, people)]
    return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)


def _live(probe: Probe) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        return _health(probe())

    return answer


def _ready(probe: Probe) -> Callable[[Request], object]:
    limiter = anyio.CapacityLimiter(1)

    async def answer(request: Request) -> Response:
        return _health(await to_thread.run_sync(probe, limiter=limiter))

    return answer


def _health(wrong: Sequence[str]) -> Response:
    body = {"status": "unavailable", "reasons": list(wrong)} if wrong else {"status": "ok"}
    return JSONResponse(body, 503 if wrong else 200)


def _metrics(metrics: Callable[[], bytes]) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        return Response(await in_thread(metrics), media_type=METRICS_TYPE)

    return answer


async def _style(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STYLES:
        raise HTTPException(404)
    return Response(asset(name), media_type="text/css", headers={"cache-control": "max-age=300"})


async def _failed(request: Request, error: Exception) -> Response:
    """The page for any error: our own sentences, never the error's. Bugs also go on to uvicorn, which logs them."""
    if isinstance(error, HTTPException):
        return _error(error.status_code, headers=error.headers)
    if isinstance(error, BadQuery):
        return _error(400, str(error))
    if isinstance(error, BadForm):
        return _error(error.status, error.sentence)
    return _error(503 if isinstance(error, AuditorError) else 500)


def _error(status: int, sentence: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """With its own headers: the answer to a bug leaves past the guard."""
    title = HTTPStatus(status).phrase
    text = sentence or _SENTENCES.get(status, title)
    page = environment().get_template("page/error.html").render(title=title, status=status, text=text)
    return HTMLResponse(page, status, {**HEADERS, **(headers or {})})
