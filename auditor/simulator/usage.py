"""The usage and cost reports: invented amounts for the keys that are in use, the same whenever they are asked for."""

import base64
import binascii
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.simulator import names
from auditor.simulator.dice import DAY
from auditor.simulator.endpoints import Endpoint, Ids
from auditor.simulator.model import Organization
from auditor.simulator.paging import Page
from auditor.simulator.query import Query
from auditor.simulator.refusals import Refusal, bad_value
from auditor.simulator.reports import COSTS, DIMENSION_OF, REPORTS, Report

_WIDTHS: Mapping[str, tuple[int, int, int]] = {"1d": (DAY, 7, 31), "1h": (3600, 24, 168), "1m": (60, 60, 1440)}
"""Width of a bucket: seconds, buckets on a page by default, and at most."""
_END_OF_TIME = 2**53
_LINES = 10_000
"""Keys that appear in reports: all that are used of a small or medium organization, a sample of a large one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One key's use: who it is counted for, and from when to when."""

    dimensions: Mapping[str, str | bool | None]
    since: int
    until: int


def endpoints(now: Callable[[], int]) -> tuple[Endpoint, ...]:
    """The twelve reports; `now` gives Unix seconds, the default of `end_time`."""
    return tuple(_endpoint(report, now) for report in REPORTS)


def _endpoint(report: Report, now: Callable[[], int]) -> Endpoint:
    def answer(organization: Organization, ids: Ids, query: Query) -> Page:
        return _page(report, organization, query, now())

    known = {"start_time", "end_time", "bucket_width", "limit", "page", "group_by", *report.filters}
    return Endpoint(report.kind, report.path, frozenset(known), "api.usage.read", answer)


def _page(report: Report, organization: Organization, query: Query, now: int) -> Page:
    widths = {"1d": (DAY, 7, 180)} if report is COSTS else _WIDTHS
    width, default, largest = widths[query.choice("bucket_width", widths, "1d")]
    size = query.whole("limit", 1, largest) or default
    groups = _groups(report, query)
    start, end = _window(query, now, width)
    stop = min(end, start + size * width)
    lines = [line for line in _lines(organization, report) if _passes(line, report, query)]
    data = [
        {
            "object": "bucket",
            "start_time": at,
            "end_time": at + width,
            "results": list(_results(report, lines, groups, at, width)),
        }
        for at in range(start, stop, width)
    ]
    more = stop < end
    body = {"object": "page", "data": data, "has_more": more, "next_page": _seal(stop) if more else None}
    return Page(body, ())


def _window(query: Query, now: int, width: int) -> tuple[int, int]:
    """First second of the first bucket of this page, and the end of the report."""
    start = query.whole("start_time", 0, _END_OF_TIME)
    if start is None:
        raise Refusal(
            400, "Missing required parameter: 'start_time'.", param="start_time", code="missing_required_parameter"
        )
    end = query.whole("end_time", 0, _END_OF_TIME)
    page = query.text("page")
    first = _unseal(page) if page else start - start % width
    return first, now if end is None else min(end, now)


def _groups(report: Report, query: Query) -> Sequence[str]:
    groups = list(dict.fromkeys(query.texts("group_by")))
    for group in groups:
        if group not in report.groups:
            raise bad_value("group_by", f"'{group}' is not one of {sorted(report.groups)}.")
    if report is COSTS and "user_id" in groups and ("project_id" in groups or query.texts("project_ids")):
        raise bad_value("group_by", "user_id cannot be combined with project_id or project_ids.")
    return groups


def _lines(organization: Organization, report: Report) -> Iterator[Line]:
    """Every key that was ever used; reports but completions and costs count only some of them."""
    used = ((project, key) for project, key in organization.project_keys() if key.last_used_at is not None)
    for project, key in itertools.islice(used, _LINES):
        chance = zlib.crc32(f"{report.kind}/{key.id}".encode())
        if report.everywhere or chance % 3 == 0:
            model = names.MODELS[chance % len(names.MODELS)]
            own: Mapping[str, str | bool | None] = {
                "project_id": project.id,
                "user_id": key.owner.id if key.owner.type == "user" else None,
                "api_key_id": key.id,
                "model": model,
                "line_item": f"{model}, input",
            }
            yield Line({**report.constants, **own}, key.created_at, key.last_used_at or 0)


def _passes(line: Line, report: Report, query: Query) -> bool:
    return all(
        not query.texts(name) or _worded(line.dimensions.get(DIMENSION_OF[name])) in query.texts(name)
        for name in report.filters
    )


def _worded(value: str | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _results(
    report: Report, lines: Iterable[Line], groups: Sequence[str], at: int, width: int
) -> Iterator[dict[str, object]]:
    """One result for each group that was in use in the bucket."""
    amounts: dict[tuple[object, ...], int] = {}
    for line in lines:
        if line.since < at + width and at <= line.until:
            group = tuple(line.dimensions.get(name) for name in groups)
            throw = zlib.crc32(f"{report.kind}/{line.dimensions['api_key_id']}/{at}".encode()) % 1000
            amounts[group] = amounts.get(group, 0) + 1 + throw * width // DAY
    for values, amount in amounts.items():
        named = dict.fromkeys(report.groups) | dict(zip(groups, values, strict=True))
        yield {"object": report.result, **report.measures(amount, groups), **named}


def _seal(start: int) -> str:
    return "page_" + base64.urlsafe_b64encode(str(start).encode()).decode().rstrip("=")


def _unseal(page: str) -> int:
    text = page.removeprefix("page_")
    try:
        return int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        raise bad_value("page", "not a page of this report; send its `next_page`.", "invalid_cursor") from None
