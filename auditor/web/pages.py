"""What each address shows: check the query, read in a thread, fill the template."""

from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from auditor.reporting.render import environment, render_report
from auditor.terms import Level, State
from auditor.web.guard import DOCUMENT_POLICY
from auditor.web.query import MAX_PAGE, Query, parse
from auditor.web.reader import PageReader

READERS = 4
"""Requests that read at the same time; the others wait, so that visitors cannot occupy the machine."""

T = TypeVar("T")

_limiter = anyio.CapacityLimiter(READERS)


async def in_thread(call: Callable[[], T]) -> T:
    """The result of a call that blocks."""
    return await to_thread.run_sync(call, limiter=_limiter)


class Pages:
    """The handlers, one method an address."""

    def __init__(self, read: PageReader) -> None:
        self.read = read

    async def overview(self, request: Request) -> Response:
        """Score, what to do, what changed."""
        return await self._of_report(request, "overview")

    async def policies(self, request: Request) -> Response:
        """Every policy with its last outcome, and the control view."""
        return await self._of_report(request, "policies")

    async def coverage(self, request: Request) -> Response:
        """What was read, and what could not be."""
        return await self._of_report(request, "coverage")

    async def findings(self, request: Request) -> Response:
        """Findings by level, state and policy."""
        query = self._query(request)
        some = await in_thread(lambda: self.read.findings(query))
        names = sorted(self.read.policies())
        return self._page("findings", query, some=some, levels=tuple(Level), states=tuple(State), policies=names)

    async def finding(self, request: Request) -> Response:
        """One finding with its evidence."""
        query, id_ = self._query(request), request.path_params["id"]
        row = await in_thread(lambda: self.read.finding(id_))
        if row is None:
            raise HTTPException(404)
        return self._page("finding", query, row=row, policy=self.read.policies().get(row.policy), now=self.read.now())

    async def events(self, request: Request) -> Response:
        """The latest audit events."""
        query = self._query(request)
        some = await in_thread(lambda: self.read.events(query))
        return self._page("events", query, some=some)

    async def deliveries(self, request: Request) -> Response:
        """The latest messages and what became of them."""
        query = self._query(request)
        some = await in_thread(lambda: self.read.deliveries(query))
        return self._page("deliveries", query, some=some)

    async def reports(self, request: Request) -> Response:
        """Reports that were written."""
        query = self._query(request)
        written = await in_thread(lambda: self.read.reports(query.organization))
        return self._page("reports", query, written=written)

    async def report(self, request: Request) -> Response:
        """The report as it would be written now, one document for itself."""
        query = self._query(request)
        text = await in_thread(lambda: render_report(self.read.report(query.organization)))
        return _document(text)

    async def stored_report(self, request: Request) -> Response:
        """A report that was written, found by its digest: a path never comes from outside."""
        query, sha256 = self._query(request), request.path_params["sha256"]
        text = await in_thread(lambda: self.read.stored_report(query.organization, sha256))
        if text is None:
            raise HTTPException(404)
        return _document(text)

    async def _of_report(self, request: Request, template: str) -> Response:
        query = self._query(request)
        report = await in_thread(lambda: self.read.report(query.organization))
        return self._page(template, query, report=report)

    def _query(self, request: Request) -> Query:
        return parse(request.query_params, self.read.organizations)

    def _page(self, template: str, query: Query, **context: object) -> Response:
        page = environment().get_template(f"page/{template}.html")
        text = page.render(
            query=query, organizations=self.read.organizations, live=True, here=template, last_page=MAX_PAGE, **context
        )
        return HTMLResponse(text)


def _document(text: str) -> Response:
    return HTMLResponse(text, headers={"content-security-policy": DOCUMENT_POLICY})
