"""Named times as Alertmanager defines them: https://prometheus.io/docs/alerting/latest/configuration/#time_interval."""

import calendar
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from auditor.configtypes import Section, Zone

Range = tuple[int, int]
"""First and last, both inside."""

_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = tuple(name.lower() for name in calendar.month_name)
_SHORTEST_MONTH = 28


def _minutes(text: object) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", text):
        raise ValueError("must be a time like '09:00', in quotes, at most '24:00'")
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _range(member: Callable[[str], int], what: str) -> BeforeValidator:
    """Reads `first:last`, or one value for both."""

    def read(value: object) -> Range:
        first, colon, last = str(value).strip().lower().partition(":")
        try:
            found = member(first), member(last if colon else first)
        except ValueError:
            raise ValueError(f"must be {what}") from None
        if (found[0] < 0) == (found[1] < 0) and found[0] > found[1]:
            raise ValueError("ends before it begins")
        return found

    return BeforeValidator(read)


def _weekday(text: str) -> int:
    return _WEEKDAYS.index(text)


def _month(text: str) -> int:
    number = _MONTHS.index(text) if text in _MONTHS else int(text)
    if not 1 <= number <= 12:
        raise ValueError
    return number


def _day(text: str) -> int:
    number = int(text)
    if number == 0 or abs(number) > 31:
        raise ValueError
    return number


def _sane_days(days: Range) -> Range:
    """A range that ends before it begins in any month is a mistake; one that does so in some is cut there."""
    begin, end = days
    if begin < 0 < end:
        raise ValueError("must end with a negative day when it begins with one")
    if end < 0 < begin and begin > _SHORTEST_MONTH + end:
        raise ValueError("ends before it begins in a short month")
    return days


Minutes = Annotated[int, BeforeValidator(_minutes)]
Weekdays = Annotated[Range, _range(_weekday, "a weekday or a range like 'monday:friday'; weeks begin on sunday")]
Months = Annotated[Range, _range(_month, "a month or a range like 'january:march' or '1:3'")]
Years = Annotated[Range, _range(int, "a year or a range like '2026:2028'")]
DaysOfMonth = Annotated[Range, _range(_day, "a day from 1 to 31, from the end -1 to -31, or a range like '1:5'")]


class Times(Section):
    """A part of the day: from `start_time` until just before `end_time`."""

    start_time: Minutes
    end_time: Minutes

    @model_validator(mode="after")
    def _forward(self) -> "Times":
        if self.start_time >= self.end_time:
            raise ValueError("end_time must be after start_time; write two parts for a night")
        return self


class Interval(Section):
    """One time: all its parts must hold; a part that is absent holds always."""

    times: tuple[Times, ...] | None = None
    weekdays: tuple[Weekdays, ...] | None = None
    days_of_month: tuple[DaysOfMonth, ...] | None = None
    months: tuple[Months, ...] | None = None
    years: tuple[Years, ...] | None = None
    location: Zone = "UTC"

    @field_validator("location", mode="before")
    @classmethod
    def _everywhere_the_same(cls, value: object) -> object:
        if value == "Local":
            raise ValueError(
                "is `Local`, the zone of whichever machine runs: name it, like Europe/Berlin, for one answer everywhere"
            )
        return value

    @model_validator(mode="after")
    def _days(self) -> "Interval":
        for days in self.days_of_month or ():
            _sane_days(days)
        return self

    def contains(self, moment: datetime) -> bool:
        """Whether the aware `moment` lies in it."""
        here = moment.astimezone(ZoneInfo(self.location))
        minute = here.hour * 60 + here.minute
        return (
            (self.times is None or any(part.start_time <= minute < part.end_time for part in self.times))
            and _within(self.weekdays, here.isoweekday() % 7)
            and (self.days_of_month is None or any(_has_day(days, here) for days in self.days_of_month))
            and _within(self.months, here.month)
            and _within(self.years, here.year)
        )


class Named(Section):
    """A name for times, for `mute_time_intervals` and `active_time_intervals`."""

    name: str = Field(min_length=1)
    time_intervals: tuple[Interval, ...] = Field(min_length=1)

    def contains(self, moment: datetime) -> bool:
        """Whether `moment` lies in any of its times."""
        return any(interval.contains(moment) for interval in self.time_intervals)


def _within(ranges: Sequence[Range] | None, value: int) -> bool:
    return ranges is None or any(first <= value <= last for first, last in ranges)


def _has_day(days: Range, here: datetime) -> bool:
    length = calendar.monthrange(here.year, here.month)[1]
    first, last = (day if day > 0 else length + day + 1 for day in days)
    return first <= here.day <= min(last, length)
