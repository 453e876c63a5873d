"""What each address shows: check the query, read in a thread, fill the template."""

import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar

import anyio
from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from auditor import clock
from auditor.findings.waiverfile import REASON_MAX, TICKET_MAX
from auditor.jobs.decisions import LONGEST_COMMENT
from auditor.reporting.render import environment, render_report
from auditor.terms import Level, State
from auditor.web.guard import DOCUMENT_POLICY
from auditor.web.outcomes import Outcome, Trouble
from auditor.web.people import People, name_of
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

    def __init__(self, read: PageReader, people: People) -> None:
        self.read = read
        self.people = people

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
        query = self.query(request)
        some = await in_thread(lambda: self.read.findings(query))
        names = sorted(self.read.policies())
        return self._page(
            request, "findings", query, some=some, levels=tuple(Level), states=tuple(State), policies=names
        )

    async def finding(
        self, request: Request, trouble: Trouble | None = None, entered: Mapping[str, str] | None = None
    ) -> Response:
        """One finding with its evidence, and what may be decided about it; again, with a form that is in trouble."""
        query, id_ = self.query(request), request.path_params["id"]
        row = await in_thread(lambda: self.read.finding(id_))
        if row is None:
            raise HTTPException(404)
        return self._page(
            request,
            "finding",
            query,
            trouble,
            row=row,
            policy=self.read.policies().get(row.policy),
            now=self.read.now(),
            **self._form(entered),
        )

    async def waivers(self, request: Request, trouble: Trouble | None = None) -> Response:
        """Accepted risks: those of the file and those that were granted here, in Slack or by a command."""
        query = self.query(request)
        some = await in_thread(lambda: self.read.waivers(query))
        return self._page(request, "waivers", query, trouble, some=some, now=self.read.now())

    def unsent(self, request: Request, trouble: Trouble, entered: Mapping[str, str], what: Outcome) -> Response:
        """A form that could not be looked at, with all that was written, to be sent again; the store is not asked."""
        query, id_ = self.query(request), request.path_params["id"]
        return self._page(request, "unsent", query, trouble, id=id_, what=what, **self._form(entered))

    async def events(self, request: Request) -> Response:
        """The latest audit events."""
        query = self.query(request)
        some = await in_thread(lambda: self.read.events(query))
        return self._page(request, "events", query, some=some)

    async def deliveries(self, request: Request) -> Response:
        """The latest messages and what became of them."""
        query = self.query(request)
        some = await in_thread(lambda: self.read.deliveries(query))
        return self._page(request, "deliveries", query, some=some)

    async def reports(self, request: Request) -> Response:
        """Reports that were written."""
        query = self.query(request)
        written = await in_thread(lambda: self.read.reports(query.organization))
        return self._page(request, "reports", query, written=written)

    async def report(self, request: Request) -> Response:
        """The report as it would be written now, one document for itself."""
        query = self.query(request)
        text = await in_thread(lambda: render_report(self.read.report(query.organization)))
        return _document(text)

    async def stored_report(self, request: Request) -> Response:
        """A report that was written, found by its digest: a path never comes from outside."""
        query, sha256 = self.query(request), request.path_params["sha256"]
        text = await in_thread(lambda: self.read.stored_report(query.organization, sha256))
        if text is None:
            raise HTTPException(404)
        return _document(text)

    async def _of_report(self, request: Request, template: str) -> Response:
        query = self.query(request)
        report = await in_thread(lambda: self.read.report(query.organization))
        return self._page(request, template, query, report=report)

    def query(self, request: Request) -> Query:
        """What is asked for. Raises BadQuery."""
        return parse(request.query_params, self.read.organizations)

    def _form(self, entered: Mapping[str, str] | None) -> dict[str, object]:
        """What the forms of a finding hold: what was written, or nothing yet and a key of their own."""
        now = self.read.now()
        fresh = {"key": secrets.token_hex(8), "comment": "", "reason": "", "until": "", "ticket": "", "pinned": ""}
        return {
            "entered": fresh | dict(entered or {}),
            "today": clock.from_epoch(now).date().isoformat(),
            "latest": clock.from_epoch(now + self.read.rules().max_waiver).date().isoformat(),
            "limits": {"comment": LONGEST_COMMENT, "reason": REASON_MAX, "ticket": TICKET_MAX},
        }

    def _page(
        self, request: Request, template: str, query: Query, trouble: Trouble | None = None, **context: object
    ) -> Response:
        page = environment().get_template(f"page/{template}.html")
        user = name_of(request)
        text = page.render(
            query=query,
            organizations=self.read.organizations,
            live=True,
            here=template,
            last_page=MAX_PAGE,
            user=user,
            decides=self.people.decides(user),
            trouble=trouble,
            **context,
        )
        return HTMLResponse(text, trouble.status if trouble else 200)


def _document(text: str) -> Response:
    return HTMLResponse(text, headers={"content-security-policy": DOCUMENT_POLICY})
