"""What a probe of the API means for an operator: a line each, with the next step. Pure."""

import email.utils
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from auditor.adminapi.ownkey import shows
from auditor.adminapi.refusal import missing_scopes
from auditor.adminapi.reports import LATE, REPORTS
from auditor.clock import from_epoch
from auditor.errors import ApiError
from auditor.inventory.model import Unknown
from auditor.inventory.schema import EVENT_KIND
from auditor.jobs.callplan import CallPlan
from auditor.jobs.probe import Answered, Probed, StreamTried, Tried
from auditor.terms import Stream

DAY = 86_400
SKEW_WARN, SKEW_FAIL = 5, 60
"""Seconds between our clock and the API's: events seem to come late, then policies misjudge what is recent."""
EXPIRY_WARN, EXPIRY_FAIL = 30, 3
"""Days before the auditor's own key ends."""
SILENCE = 7
"""Days without any event that are worth a look."""


class Mark(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Exit(IntEnum):
    """What a failed check asks the exit code to be; the order is that of their weight, the lowest wins."""

    CONFIG = 2
    NOTHING = 1
    UNREAD = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One check: what was found, and what to do next."""

    mark: Mark
    topic: str
    text: str
    hint: str = ""
    exit: Exit = Exit.NOTHING
    """Counts when the mark is FAIL."""
    details: Mapping[str, object] = field(default_factory=dict)
    """The numbers behind the text, for machines."""
    organization: str = ""


def unreachable(error: ApiError) -> Line:
    """The API did not answer, so that nothing else could be asked."""
    return Line(Mark.FAIL, "API", f"nothing could be read: {error.message}", error.hint)


def readings(probed: Probed, watching: Mapping[str, int]) -> Iterator[Line]:
    """Which kinds the key can read, and which permissions it lacks. `watching`: policies by kind of resource."""
    if probed.blind:
        error = next(tried.error for tried in probed.kinds.values() if tried.error)
        yield Line(Mark.FAIL, "permissions", f"nothing can be read: {error.message}", error.hint)
        return
    yield from _reports(probed.reports)
    readable = [kind for kind, tried in probed.kinds.items() if tried.readable]
    idle = sorted(_idle(probed.kinds))
    untried = f"; nothing to try these with: {', '.join(idle)}" if idle else ""
    text = f"{len(readable)} of {len(probed.kinds)} kinds of resources can be read{untried}"
    yield Line(Mark.OK, "permissions", text, details={"readable": readable, "untried": idle})
    for (words, hint), kinds in _refusals(probed.kinds).items():
        hidden = sorted({*kinds, *(name for name, tried in probed.kinds.items() if tried.behind in kinds)})
        silent = sum(watching.get(kind, 0) for kind in hidden)
        unknown = f"; {silent} policies that judge these will say unknown" if silent else ""
        text = f"{words}: cannot read {', '.join(hidden)}{unknown}"
        yield Line(Mark.FAIL, "permissions", text, hint, Exit.UNREAD, {"unreadable": hidden})


def _idle(kinds: Mapping[str, Tried]) -> Iterable[str]:
    """Kinds that could not be tried, because the organization has none of what they hang on."""
    return (name for name, tried in kinds.items() if tried.behind and kinds[tried.behind].readable)


def _refusals(kinds: Mapping[str, Tried]) -> dict[tuple[str, str], list[str]]:
    """Kinds by what hides them and what to do: one line for each permission, not one for each list."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, tried in kinds.items():
        if tried.error:
            scopes = missing_scopes(tried.error.message)
            words = f"permission {', '.join(scopes)} is missing" if scopes else tried.error.message
            found.setdefault((words, tried.error.hint), []).append(name)
    return found


def _reports(reports: Mapping[str, ApiError | None]) -> Iterator[Line]:
    """Whether costs and use can be read. They have one permission, so that a refusal of all is one line."""
    refused: dict[tuple[str, str], list[str]] = {}
    for name, error in reports.items():
        if error:
            scopes = missing_scopes(error.message)
            words = f"permission {', '.join(scopes)} is missing" if scopes else error.message
            refused.setdefault((words, error.hint), []).append(name)
    for (words, hint), names in refused.items():
        text = f"{words}: cannot read {', '.join(names)}; what hangs on costs and use is unknown"
        yield Line(Mark.FAIL, "usage", text, hint, Exit.UNREAD, {"unreadable": names})
    readable = len(reports) - sum(len(names) for names in refused.values())
    if readable:
        daily = sum(report.calls(LATE + 1) for report in REPORTS)
        first = sum(report.calls(report.days) for report in REPORTS)
        text = (
            f"{readable} of {len(reports)} usage and cost reports can be read; they take {daily} calls a day,"
            f" {first} on the first, and more where many keys are in use"
        )
        yield Line(Mark.OK, "usage", text, details={"calls_a_day": daily, "calls_at_first": first})


def audit_log(streams: Mapping[Stream, StreamTried], now: int) -> Iterator[Line]:
    """Whether the log is on, and both of its streams can be read."""
    for stream, tried in streams.items():
        if tried.error:
            scopes = missing_scopes(tried.error.message)
            lack = f"permission {', '.join(scopes)} is missing" if scopes else tried.error.message
            text = f"the {stream} stream cannot be read: {lack}"
            yield Line(Mark.FAIL, "audit log", text, tried.error.hint, Exit.UNREAD, {"stream": stream})
        elif tried.newest is None:
            yield _empty(stream)
        else:
            yield _alive(stream, tried.newest, now)


def _empty(stream: Stream) -> Line:
    if stream is Stream.TENANT:
        return Line(Mark.OK, "audit log", "the tenant stream can be read; it has no events", details={"stream": stream})
    return Line(
        Mark.WARN,
        "audit log",
        "the organization stream is empty: logging was never switched on, or nothing has happened since",
        "have an owner switch it on (console, Settings > Organization > Data controls), change something, look again",
        details={"stream": stream},
    )


def _alive(stream: Stream, newest: int, now: int) -> Line:
    age = max(0, now - newest)
    text = f"the {stream} stream can be read; its newest event is {span(age)} old"
    details = {"stream": stream, "newest_at": newest}
    if stream is Stream.ORGANIZATION and age > SILENCE * DAY:
        hint = "is that likely? if people signed in since, ask OpenAI's support whether logging is still on"
        return Line(Mark.WARN, "audit log", text, hint, details=details)
    return Line(Mark.OK, "audit log", text, details=details)


def clock_skew(first: Answered | None) -> Line:
    """How far our clock is from the API's; the header has whole seconds, and the answer was on its way for a while."""
    theirs = _seconds(first.date) if first else None
    if first is None or theirs is None:
        return Line(Mark.WARN, "clock", "the API sent no time to compare ours with", "check that time is synchronised")
    skew = theirs + 0.5 - (first.asked_at + first.answered_at) / 2
    doubt = 0.5 + (first.answered_at - first.asked_at) / 2
    sure = max(0.0, abs(skew) - doubt)
    details = {"skew_seconds": round(skew, 1)}
    if sure <= SKEW_WARN:
        return Line(Mark.OK, "clock", f"within {SKEW_WARN} seconds of the API's", details=details)
    side = "behind" if skew > 0 else "ahead of"
    text = f"this machine's clock is {span(round(abs(skew)))} {side} the API's"
    mark = Mark.FAIL if sure > SKEW_FAIL else Mark.WARN
    return Line(mark, "clock", text, "synchronise this machine's clock (NTP)", details=details)


def _seconds(date: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, and how often. All but the first in seconds."""

    requests_per_minute: int
    interval: int
    """Between snapshots."""
    role_assignments: int
    """Between two readings of the roles of a principal."""


def calls(plan: CallPlan, pace: Pace) -> Line:
    """What a snapshot takes, with and without role assignments, and whether it is done before the next one is due."""
    seconds = plan.seconds(pace.requests_per_minute)
    day = plan.a_day(pace.interval, pace.role_assignments)
    parts = ", ".join(f"{count:,} {name.replace('list', 'lists')}" for name, count in plan.parts.items())
    source = "reckoned from one page of each list" if plan.estimated else "counted in the last snapshot"
    least = "at least " if plan.estimated else ""
    text = (
        f"a snapshot takes {least}{plan.calls:,} calls ({parts}; {source}), {span(seconds)} or more"
        f" at {pace.requests_per_minute:,} requests a minute; {plan.lists:,} when no role assignments are due, which"
        f" are read every {span(pace.role_assignments)}; about {day:,} calls a day;"
        " each look at the audit log takes 2 or more"
    )
    details: dict[str, object] = {
        "calls": plan.calls,
        "calls_without_fan_out": plan.lists,
        "calls_a_day": day,
        "parts": dict(plan.parts),
        "seconds": seconds,
        "estimated": plan.estimated,
        "kinds": {each.kind: {"walks": each.walks, "calls": each.calls} for each in plan.kinds},
    }
    if seconds <= pace.interval:
        return Line(Mark.OK, "calls", text, details=details)
    hint = f"a snapshot is due every {span(pace.interval)}: raise schedule.snapshot or requests_per_minute"
    return Line(Mark.WARN, "calls", text, hint, details=details)


def own_key(tried: Tried, key: str, now: int) -> Line:
    """When the auditor's own key ends: found among the admin keys by the letters that the API shows of it."""
    if not tried.readable:
        return Line(
            Mark.WARN, "key", "its end is not known: the admin keys cannot be read", "look it up in the console"
        )
    alike = [record for record in tried.records if shows(record.fields.get("redacted_value"), key)]
    if not alike:
        looked = f"the first {len(tried.records)}" if tried.more else f"the {len(tried.records)}"
        text = f"its end is not known: it is not found among {looked} admin keys"
        return Line(Mark.WARN, "key", text, "look it up in the console; is this a key of this organization?")
    names = ", ".join(f"{record.name} ({record.id})" for record in alike)
    ends = [record.fields.get("expires_at") for record in alike]
    known = [end for end in ends if isinstance(end, int)]
    if known:
        return _ending(names, min(known), now)
    if any(isinstance(end, Unknown) for end in ends):
        return Line(Mark.WARN, "key", f"{names}: the API does not say when it ends", "look it up in the console")
    hint = "make one with an end: a key that leaks should not work for ever"
    return Line(Mark.WARN, "key", f"{names} never ends", hint, details={"expires_at": None})


def _ending(names: str, end: int, now: int) -> Line:
    days = (end - now) // DAY
    day = from_epoch(end).date().isoformat()
    hint = "make a new one, read only, and put it into the place of this one"
    details = {"expires_at": end}
    if end <= now:
        return Line(Mark.FAIL, "key", f"{names} ended on {day}", hint, details=details)
    mark = Mark.OK if days >= EXPIRY_WARN else Mark.WARN if days >= EXPIRY_FAIL else Mark.FAIL
    return Line(
        mark, "key", f"{names} ends on {day}, in {span(end - now)}", "" if mark is Mark.OK else hint, details=details
    )


def diagnosis(
    probed: Probed, key: str, watching: Mapping[str, int], plan: CallPlan, pace: Pace, now: int
) -> Sequence[Line]:
    """Every line about one organization that answers."""
    lines = list(readings(probed, watching))
    if probed.blind:
        return lines
    return [
        *lines,
        *audit_log(probed.streams, now),
        clock_skew(probed.first),
        own_key(probed.kinds["admin_api_key"], key, now),
        calls(plan, pace),
    ]


def watching(kinds: Iterable[str]) -> dict[str, int]:
    """Number of policies by the kind that they judge; events are counted with the audit log, not here."""
    found: dict[str, int] = {}
    for kind in kinds:
        if kind != EVENT_KIND:
            found[kind] = found.get(kind, 0) + 1
    return found


def span(seconds: int) -> str:
    """`40 seconds`, `12 minutes`, `3 hours`, `9 days`: rounded down, in the largest unit that counts two or more."""
    for size, unit in ((DAY, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def exit_code(lines: Iterable[Line]) -> int:
    """0 when nothing failed; else 2 before 1 before 4, the order in which they hide each other."""
    failed = {line.exit for line in lines if line.mark is Mark.FAIL}
    return next((code.value for code in Exit if code in failed), 0)
