"""Reading a usage or cost report: every day of a closed window once, or an error."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from auditor import clock
from auditor.adminapi.client import AdminClient
from auditor.adminapi.envelope import refuse_two_of_a_key
from auditor.adminapi.paging import follow
from auditor.adminapi.reports import DAY, PAGE, Bucket, Report
from auditor.adminapi.resourcetypes import Paging
from auditor.errors import ApiError


@dataclass(frozen=True, slots=True)
class BucketPage:
    """One page of a report."""

    buckets: tuple[Bucket, ...]


class _Shape(msgspec.Struct):
    start_time: int
    end_time: int
    results: list[msgspec.Raw]


async def read(
    client: AdminClient, report: Report, first: int, until: int, *, size: int = PAGE
) -> AsyncIterator[BucketPage]:
    """The pages of a report from the day `first` (days since 1970) to `until` (Unix seconds, exclusive).

    The days come in no promised order. `until` keeps the window still while it is walked. Raises ApiError where the
    API refuses, breaks off or lies; a walk that did not end well has proven nothing of any day.
    """
    params = [
        ("start_time", str(first * DAY)),
        ("end_time", str(until)),
        ("bucket_width", "1d"),
        ("limit", str(size)),
        *(("group_by[]", group) for group in report.groups),
    ]
    window = _Window(first, until)
    body = await client.get(report.path, params)
    async for page in follow(client, report.path, Paging.PAGE, params, body.content, body.date):
        yield BucketPage(tuple(window.enter(_bucket(raw)) for raw in page.items))
    window.close()


def _bucket(raw: bytes) -> _Shape:
    try:
        bucket = msgspec.json.decode(raw, type=_Shape)
        refuse_two_of_a_key(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ApiError(f"a bucket of the report is not shaped as documented: {error}") from error
    return bucket


class _Window:
    """The days that a walk must bring, each once. Buckets have no ids: their days are what proves them."""

    def __init__(self, first: int, until: int) -> None:
        self._missing = set(range(first, -(-until // DAY)))
        self._until = until
        self._seen: set[int] = set()

    def enter(self, bucket: _Shape) -> Bucket:
        """The bucket with its day. Raises ApiError for one that is no whole day, or of another window, or a second."""
        day, cut = divmod(bucket.start_time, DAY)
        # The day that is not over may end where the window does.
        whole = bucket.end_time in {bucket.start_time + DAY, min(self._until, bucket.start_time + DAY)}
        if cut or not whole:
            raise ApiError(f"a bucket of the report is no day: {bucket.start_time} to {bucket.end_time}")
        if day in self._seen:
            raise ApiError(f"the report brings the bucket of {_date(day)} a second time")
        if day not in self._missing:
            raise ApiError(f"the report brings the bucket of {_date(day)}, which was not asked for")
        self._missing.remove(day)
        self._seen.add(day)
        return Bucket(day, tuple(bytes(each) for each in bucket.results))

    def close(self) -> None:
        """Raises ApiError when a day did not come."""
        if self._missing:
            more = f" and {len(self._missing) - 1} more" if len(self._missing) > 1 else ""
            raise ApiError(f"the report ends without the bucket of {_date(min(self._missing))}{more}")


def _date(day: int) -> str:
    return clock.from_epoch(day * DAY).date().isoformat() if clock.is_time(day * DAY) else f"day {day}"
