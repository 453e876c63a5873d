"""One result of a report: what is documented is added up, what is not is counted, what is broken hides its day."""

import json
from collections import Counter
from typing import Any

import pytest

from auditor.adminapi.reports import COSTS, REPORT_BY_NAME, Bucket, Report
from auditor.inventory.usage import UsedDay, used_day

COMPLETIONS = REPORT_BY_NAME["usage_completions"]
VECTOR_STORES = REPORT_BY_NAME["usage_vector_stores"]


def cost(**more: Any) -> dict[str, Any]:
    return {
        "object": "organization.costs.result",
        "amount": {"value": 1.25, "currency": "usd"},
        "project_id": "proj_1",
        "api_key_id": "key_1",
        "line_item": None,
        "quantity": None,
    } | more


def completion(**more: Any) -> dict[str, Any]:
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": 400,
        "input_cached_tokens": 100,
        "output_tokens": 90,
        "num_model_requests": 3,
        "project_id": "proj_1",
        "api_key_id": "key_1",
        "model": "gpt-5.1",
        "batch": None,
    } | more


def taken_apart(report: Report, *results: object) -> tuple[UsedDay | None, Counter[str]]:
    surprises: Counter[str] = Counter()
    bucket = Bucket(20_454, tuple(json.dumps(each).encode() for each in results))
    return used_day(report, bucket, surprises), surprises


def test_results_of_one_group_are_added_up_and_others_kept_apart() -> None:
    day, surprises = taken_apart(
        COMPLETIONS, completion(), completion(service_tier="flex"), completion(model="o4-mini"), completion(model=None)
    )

    assert day
    assert day.measures == ("requests", "tokens")
    assert day.uses == {
        ("proj_1", "key_1", "gpt-5.1"): (6, 980),
        ("proj_1", "key_1", "o4-mini"): (3, 490),
        ("proj_1", "key_1", None): (3, 490),
    }
    assert not surprises


def test_a_report_that_tells_projects_apart_only_names_no_key() -> None:
    day, _ = taken_apart(VECTOR_STORES, {"project_id": "proj_1", "usage_bytes": 4096})

    assert day
    assert day.uses == {("proj_1", None, None): (4096,)}


def test_a_day_without_results_is_a_day_without_use() -> None:
    day, surprises = taken_apart(COSTS)

    assert day == UsedDay("cost", 20_454, ("cost",), "", {})
    assert not surprises


def test_money_keeps_its_currency_and_no_crumbs_of_binary_fractions() -> None:
    results = [cost(amount={"value": value, "currency": "USD"}) for value in (0.1, 0.2)]
    day, _ = taken_apart(COSTS, *results)

    assert day
    assert (day.currency, day.uses) == ("usd", {("proj_1", "key_1", None): (0.3,)})


def test_an_amount_as_text_is_taken_and_counted() -> None:
    day, surprises = taken_apart(COSTS, cost(amount={"value": "0.0600000000000001", "currency": "usd"}))

    assert day
    assert day.uses == {("proj_1", "key_1", None): (0.06,)}
    assert surprises == {"text for a number: amount.value": 1}


def test_what_is_new_is_counted_and_does_no_harm() -> None:
    day, surprises = taken_apart(COMPLETIONS, completion(planet="Mars"), completion(planet="Venus"))

    assert day
    assert surprises == {"unknown field: planet": 2}


@pytest.mark.parametrize(
    "broken",
    [
        "a text",
        None,
        7,
        ["a list"],
        {},
        {"error": {"message": "not now"}},
        cost(amount=None),
        cost(amount=1.25),
        cost(amount={"value": None, "currency": "usd"}),
        cost(amount={"value": True, "currency": "usd"}),
        cost(amount={"value": "much", "currency": "usd"}),
        cost(amount={"value": "nan", "currency": "usd"}),
        cost(amount={"value": "inf", "currency": "usd"}),
        cost(amount={"value": 1e300, "currency": "usd"}),
        cost(amount={"value": 1.25}),
        cost(amount={"value": 1.25, "currency": "<!channel>"}),
        cost(api_key_id=7),
        cost(api_key_id=""),
        cost(project_id=["proj_1"]),
        {name: value for name, value in cost().items() if name != "api_key_id"},
    ],
    ids=repr,
)
def test_a_result_that_cannot_be_read_hides_its_day(broken: object) -> None:
    """Nobody knows how much it would have added, and to what."""
    day, surprises = taken_apart(COSTS, cost(), broken, cost(api_key_id="key_2"))

    assert day is None
    assert surprises["not a result"] == 1


def test_a_day_in_two_currencies_cannot_be_added_up() -> None:
    day, surprises = taken_apart(COSTS, cost(), cost(amount={"value": 1, "currency": "eur"}))

    assert day is None
    assert surprises == {"several currencies in one day": 1}


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "num_model_requests"])
@pytest.mark.parametrize("value", [None, "many", {}, True])
def test_a_measure_of_another_type_hides_its_day(name: str, value: object) -> None:
    day, surprises = taken_apart(COMPLETIONS, completion(**{name: value}))

    assert day is None
    assert surprises[f"wrong type: {name}"] == 1
