"""What people decide on the page: a form is read, the rules of a button hold for it, and the page tells the outcome.

Whatever goes wrong, nobody writes twice: the form comes back with what was written, and a reason that is our own.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from auditor import clock
from auditor.alerts.untrusted import one_line
from auditor.errors import ConfigError, StoreError
from auditor.findings.waiverbook import Known
from auditor.fingerprint import fingerprint
from auditor.jobs import decisions
from auditor.jobs.decisions import LONGEST_COMMENT, Rules
from auditor.jobs.desk import Acceptance, Desk, Refused, Stale, sentence
from auditor.log import get
from auditor.store import waivers
from auditor.web import forms
from auditor.web.forms import BadForm
from auditor.web.outcomes import Outcome, Trouble
from auditor.web.pages import Pages, in_thread
from auditor.web.people import People, name_of
from auditor.web.query import Query

log = get(__name__)

_KEY = re.compile(r"[0-9a-f]{16}")
_PARTED = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """One form, and who sent it."""

    id: str
    """Of the finding or the waiver."""
    by: str
    query: Query
    entered: Mapping[str, str]


class _Objected(Exception):
    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__()
        self.fields = fields


class Deciding:
    """The handlers of the forms."""

    def __init__(self, pages: Pages, people: People) -> None:
        self._pages = pages
        self._people = people

    async def acknowledge(self, request: Request) -> Response:
        """Somebody knows of a finding."""
        return await self._answer(request, ("comment",), Outcome.ACKNOWLEDGED, self._acknowledged)

    async def waive(self, request: Request) -> Response:
        """Somebody accepts the risk of a finding until a day."""
        fields = ("key", "reason", "until", "ticket", "pinned")
        return await self._answer(request, fields, Outcome.WAIVED, self._waived)

    async def end(self, request: Request) -> Response:
        """Somebody ends a waiver of the store."""
        return await self._answer(request, (), Outcome.ENDED, self._ended)

    async def _answer(
        self, request: Request, fields: tuple[str, ...], done: Outcome, decide: Callable[[Asked], str]
    ) -> Response:
        query, by = self._pages.query(request), name_of(request)
        asked = Asked(request.path_params["id"], by, query, await forms.read(request, fields))
        result = await in_thread(lambda: self._tried(asked, decide))
        outcome = result.outcome if isinstance(result, Trouble) else done
        # Who it was stands in the store; a log is read by others.
        log.info("page.decided", about=one_line(asked.id, 80), outcome=outcome)
        self._people.decided(outcome)
        if isinstance(result, Trouble):
            return await self._back(request, asked, done, result)
        return RedirectResponse(result, 303)

    def _tried(self, asked: Asked, decide: Callable[[Asked], str]) -> str | Trouble:
        """Where to look at what was decided, or why it was not."""
        try:
            return decide(asked)
        except _Objected as error:
            return Trouble(Outcome.INVALID, "Nothing was decided yet: look at what is marked below.", error.fields)
        except Stale as stale:
            return Trouble(Outcome.STALE, str(stale))
        except Refused as refused:
            return Trouble(Outcome.REFUSED, str(refused))
        except ConfigError as error:
            return Trouble(Outcome.INVALID, sentence(error))
        except StoreError as error:
            log.error("store.failed", error=error.message, hint=error.hint)
            return Trouble(Outcome.FAILED, "Nothing was decided: the store does not answer right now. Send it again.")

    async def _back(self, request: Request, asked: Asked, done: Outcome, trouble: Trouble) -> Response:
        if trouble.outcome is not Outcome.FAILED:
            try:
                if done is Outcome.ENDED:
                    return await self._pages.waivers(request, trouble)
                return await self._pages.finding(request, trouble, asked.entered)
            except StoreError:
                pass
        return self._pages.unsent(request, trouble, asked.entered, done)

    def _acknowledged(self, asked: Asked) -> str:
        comment = asked.entered["comment"]
        if len(comment) > LONGEST_COMMENT:
            raise _Objected({"comment": f"At most {LONGEST_COMMENT} characters."})
        self._desk().acknowledge(asked.id, asked.by, comment)
        return f"/findings/{quote(asked.id, safe='')}{asked.query.scope}"

    def _waived(self, asked: Asked) -> str:
        self._permit(asked.by)
        entered = asked.entered
        if not _KEY.fullmatch(entered["key"]):
            raise BadForm(400, "This form cannot be understood.")
        # Bound to person and finding: nobody can make a form that stands for the waiver of somebody else.
        key = fingerprint(f"{asked.by}/{asked.id}/{entered['key']}")
        desk = self._desk()
        found = desk.waivable(asked.id, key)
        pinned = tuple(name for name in _PARTED.split(entered["pinned"]) if name)
        wanted = Acceptance(entered["reason"].strip(), entered["until"], entered["ticket"].strip(), pinned)
        if wrong := desk.objections(wanted, found):
            raise _Objected(wrong)
        waiver = desk.waive(found, wanted, asked.by, key)
        only = found.organization == self._pages.read.organizations[0]
        return f"/waivers{Query(found.organization, only).scope}#{quote(waiver.id, safe='')}"

    def _ended(self, asked: Asked) -> str:
        self._permit(asked.by)
        read = self._pages.read
        try:
            decisions.end(read.store, asked.query.organization, asked.id, asked.by, read.now(), read.rules().max_waiver)
        except ConfigError:
            if not self._has_ended(asked):
                raise
        return f"/waivers{asked.query.scope}#{quote(asked.id, safe='')}"

    def _has_ended(self, asked: Asked) -> bool:
        """Whether it is over because of whoever asks: the same form, sent twice."""
        with self._pages.read.store.transaction() as tx:
            known: list[Known] = waivers.listing(tx, asked.query.organization)
        return any(each.waiver.id == asked.id and each.waiver.ended_by == asked.by for each in known)

    def _permit(self, by: str) -> None:
        if not self._people.decides(by):
            raise Refused("You are not one of those who may accept risks (`web.deciders`). Ask one of them.")

    def _desk(self) -> Desk:
        read = self._pages.read
        rules = Rules(read.organizations, read.rules().max_waiver, read.policies())
        return Desk(read.store, rules, lambda: clock.from_epoch(read.now()))
