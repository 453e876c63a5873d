"""Named times mean what Alertmanager's mean: parts of days, weekdays, days of months, months, years, and where."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from auditor.routing import RoutingConfig
from auditor.timeintervals import Interval

NINE_TO_FIVE = {"times": [{"start_time": "09:00", "end_time": "17:00"}]}

CASES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "nothing said is always": ({}, ["2026-01-01 00:00", "2031-12-31 23:59"], []),
    "the end of a part of the day is outside": (
        NINE_TO_FIVE,
        ["2026-06-08 09:00", "2026-06-08 16:59"],
        ["2026-06-08 08:59", "2026-06-08 17:00"],
    ),
    "24:00 is the end of the day": (
        {"times": [{"start_time": "22:00", "end_time": "24:00"}]},
        ["2026-06-08 23:59"],
        ["2026-06-08 00:00", "2026-06-08 21:59"],
    ),
    "several parts of the day": (
        {"times": [{"start_time": "00:00", "end_time": "06:00"}, {"start_time": "20:00", "end_time": "24:00"}]},
        ["2026-06-08 05:59", "2026-06-08 20:00"],
        ["2026-06-08 06:00", "2026-06-08 19:59"],
    ),
    "working days": ({"weekdays": ["monday:friday"]}, ["2026-06-08 00:00", "2026-06-12 23:59"], ["2026-06-13 00:00"]),
    "weeks begin on sunday": (
        {"weekdays": ["sunday:monday"]},
        ["2026-06-07 12:00", "2026-06-08 12:00"],
        ["2026-06-06 12:00"],
    ),
    "weekdays in any case": (
        {"weekdays": ["Saturday", "SUNDAY"]},
        ["2026-06-13 12:00", "2026-06-14 12:00"],
        ["2026-06-12 12:00"],
    ),
    "the first days of a month": (
        {"days_of_month": ["1:5"]},
        ["2026-06-01 00:00", "2026-06-05 23:59"],
        ["2026-06-06 00:00"],
    ),
    "the last day of any month": (
        {"days_of_month": ["-1"]},
        ["2026-02-28 12:00", "2028-02-29 12:00", "2026-04-30 12:00"],
        ["2028-02-28 12:00"],
    ),
    "from a day to the end": (
        {"days_of_month": ["15:-1"]},
        ["2026-02-28 12:00", "2026-02-15 12:00"],
        ["2026-02-14 12:00"],
    ),
    "a day that a month has not": (
        {"days_of_month": ["31"]},
        ["2026-01-31 12:00"],
        ["2026-02-28 12:00", "2026-04-30 12:00"],
    ),
    "days from the end that a short month cuts": (
        {"days_of_month": ["-31:-29"]},
        ["2026-01-01 12:00"],
        ["2026-02-01 12:00"],
    ),
    "months by name and number": (
        {"months": ["january:march", "12"]},
        ["2026-01-01 00:00", "2026-03-31 23:59", "2026-12-24 18:00"],
        ["2026-04-01 00:00", "2026-11-30 23:59"],
    ),
    "years": ({"years": ["2026:2027", "2030"]}, ["2026-01-01 00:00", "2030-06-01 00:00"], ["2028-01-01 00:00"]),
    "all that is said must hold": (
        {**NINE_TO_FIVE, "weekdays": ["monday"], "months": ["june"]},
        ["2026-06-08 09:00"],
        ["2026-06-09 09:00", "2026-07-06 09:00", "2026-06-08 18:00"],
    ),
    "an empty list is never": ({"weekdays": []}, [], ["2026-06-08 09:00"]),
    "a place in winter": (
        {**NINE_TO_FIVE, "location": "Europe/Berlin"},
        ["2026-01-12 08:00", "2026-01-12 15:59"],
        ["2026-01-12 16:00"],
    ),
    "a place in summer": (
        {**NINE_TO_FIVE, "location": "Europe/Berlin"},
        ["2026-06-08 07:00"],
        ["2026-06-08 15:00", "2026-06-08 06:59"],
    ),
    "a place where it is tomorrow already": (
        {"weekdays": ["monday"], "location": "Australia/Sydney"},
        ["2026-06-07 14:00"],
        ["2026-06-08 14:00"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_time_holds_what_it_says(case: str) -> None:
    raw, inside, outside = CASES[case]
    interval = Interval.model_validate(raw)
    held = {each: interval.contains(datetime.fromisoformat(f"{each}+00:00")) for each in (*inside, *outside)}
    assert held == dict.fromkeys(inside, True) | dict.fromkeys(outside, False)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "an hour that no day has": ({"times": [{"start_time": "25:00", "end_time": "26:00"}]}, "must be a time"),
    "a time without quotes": ({"times": [{"start_time": 540, "end_time": "17:00"}]}, "must be a time"),
    "a time without an end": ({"times": [{"start_time": "09:00"}]}, "required"),
    "a night in one part": ({"times": [{"start_time": "22:00", "end_time": "06:00"}]}, "write two parts"),
    "a part without length": ({"times": [{"start_time": "09:00", "end_time": "09:00"}]}, "must be after"),
    "a weekday that is none": ({"weekdays": ["moonday"]}, "must be a weekday"),
    "weekdays over the end of the week": ({"weekdays": ["friday:monday"]}, "ends before it begins"),
    "the day zero": ({"days_of_month": ["0"]}, "must be a day"),
    "a day past all months": ({"days_of_month": ["1:32"]}, "must be a day"),
    "days backwards": ({"days_of_month": ["5:1"]}, "ends before it begins"),
    "days from the end backwards": ({"days_of_month": ["-1:-5"]}, "ends before it begins"),
    "from the end to the beginning": ({"days_of_month": ["-5:5"]}, "must end with a negative day"),
    "days that no short month has in order": ({"days_of_month": ["28:-1"]}, "in a short month"),
    "a month that is none": ({"months": ["13"]}, "must be a month"),
    "months backwards": ({"months": ["march:january"]}, "ends before it begins"),
    "years backwards": ({"years": ["2027:2026"]}, "ends before it begins"),
    "weekdays without an end": ({"weekdays": ["monday:"]}, "must be a weekday or a range like 'monday:friday'"),
    "weekdays without a beginning": ({"weekdays": [":friday"]}, "must be a weekday or a range"),
    "days without an end": ({"days_of_month": ["1:"]}, "must be a day"),
    "months without an end": ({"months": ["march:"]}, "must be a month or a range"),
    "years without an end": ({"years": ["2026:"]}, "must be a year or a range like '2026:2028'"),
    "the place of the machine": ({"location": "Local"}, "name it, like Europe/Berlin, for one answer everywhere"),
    "a place that is none": ({"location": "Berlin"}, "no such time zone"),
    "a key that is none": ({"hours": ["1"]}, "Extra inputs"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_time_that_cannot_be_is_refused(fault: str) -> None:
    raw, message = FAULTS[fault]
    with pytest.raises(ValidationError, match=message):
        Interval.model_validate(raw)


def test_a_named_time_is_any_of_its_times() -> None:
    weekend = {"weekdays": ["saturday", "sunday"]}
    night = {"times": [{"start_time": "22:00", "end_time": "24:00"}]}
    config = RoutingConfig.model_validate({"time_intervals": [{"name": "off", "time_intervals": [weekend, night]}]})
    assert config.during(("off",), datetime(2026, 6, 13, 12, tzinfo=UTC)) == "off"
    assert config.during(("off",), datetime(2026, 6, 8, 23, tzinfo=UTC)) == "off"
    assert config.during(("off",), datetime(2026, 6, 8, 12, tzinfo=UTC)) == ""


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_every_moment_is_in_one_weekday_one_day_and_one_month(moment: datetime) -> None:
    def count(key: str, values: list[str]) -> int:
        return sum(Interval.model_validate({key: [value]}).contains(moment) for value in values)

    days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
    assert count("weekdays", days) == count("months", [str(n) for n in range(1, 13)]) == 1
    assert count("days_of_month", [str(n) for n in range(1, 32)]) == 1
    assert count("days_of_month", [str(-n) for n in range(1, 32)]) == 1
