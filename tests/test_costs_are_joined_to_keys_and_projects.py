"""What policies see of costs and use: windows of whole days, usual days, and Unknown where something is missing."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import pytest
from organization import NOW

from auditor.adminapi.reports import COSTS, DAY, REPORTS
from auditor.inventory.model import Collection, Gap, Record, Snapshot, Unknown
from auditor.inventory.schema import MODEL_USE, ORGANIZATION_USAGE, SPENDERS, SPENDING, SUMMED, fields_of
from auditor.inventory.spending import Series, spend
from auditor.inventory.usage import Group, Reading, UsedDay
from auditor.terms import Status

AT = NOW + 10 * 3600
TODAY = AT // DAY
STALE = 3 * DAY
READINGS = {report.name: Reading(report.name, AT, AT, Status.COMPLETE) for report in REPORTS}
KEY_1: Group = ("proj_1", "key_1", None)
KEY_2: Group = ("proj_1", "key_2", None)
NOBODY: Group = ("proj_1", None, None)
Uses = Mapping[int, Mapping[Group, float]]
"""Days back to what each group cost."""

PROJECTS = (
    Record("project", ("proj_1",), {"name": "research", "status": "active"}),
    Record("project", ("proj_2",), {}),
)
KEYS = (
    Record("project_api_key", ("proj_1", "key_1"), {"owner.service_account.id": "user_1"}),
    Record("project_api_key", ("proj_1", "key_2"), {"owner.service_account.id": "user_1"}),
    Record("project_api_key", ("proj_2", "key_3"), {"owner.user.id": "user_2"}),
)
ACCOUNTS = (Record("service_account", ("proj_1", "user_1"), {}), Record("service_account", ("proj_2", "user_1"), {}))


def costs(uses: Uses, currency: str = "usd") -> list[UsedDay]:
    """Every day of the costs."""
    return [
        UsedDay("cost", TODAY - back, ("cost",), currency if back in uses else "",
                {group: (cost,) for group, cost in uses.get(back, {}).items()})
        for back in range(COSTS.days, -1, -1)
    ]  # fmt: skip


def used(report: str, uses: Mapping[int, Mapping[Group, Sequence[float]]]) -> list[UsedDay]:
    """Every day of a report of use."""
    measures = next(tuple(each.measures) for each in REPORTS if each.name == report)
    return [
        UsedDay(report, TODAY - back, measures, "", {group: tuple(more) for group, more in uses.get(back, {}).items()})
        for back in range(31, -1, -1)
    ]


def idle(*but: str) -> list[UsedDay]:
    return [day for report in REPORTS if report.name not in but for day in used(report.name, {})]


def joined(
    days: Sequence[UsedDay],
    *,
    readings: Mapping[str, Reading] = READINGS,
    hidden: Sequence[Gap] = (),
    at: int = AT,
    deleted: AbstractSet[str] = frozenset(),
) -> Snapshot:
    """The snapshot with what `days` say; reports that they leave out had no use."""
    there = {day.report for day in days}
    collections = {
        "project": Collection("project", PROJECTS),
        "project_api_key": Collection("project_api_key", KEYS, tuple(hidden)),
        "service_account": Collection("service_account", ACCOUNTS),
    }
    rest = [day for day in idle(*there) if day.report != "cost"] + ([] if "cost" in there else costs({}))
    return spend(Snapshot("acme", at, collections), Series(readings, [*days, *rest], STALE, frozenset(deleted)))


def fields(snapshot: Snapshot, kind: str, *ids: str) -> Mapping[str, object]:
    return next(each.fields for each in snapshot.collection(kind).records if each.ids == ids)


def key_1(snapshot: Snapshot) -> Mapping[str, object]:
    return fields(snapshot, "project_api_key", "proj_1", "key_1")


def whole(snapshot: Snapshot) -> Mapping[str, object]:
    return fields(snapshot, ORGANIZATION_USAGE, "organization")


@pytest.mark.parametrize(
    ("back", "windows"),
    [
        (0, {"cost_1d", "cost_7d", "cost_30d", "cost_90d"}),
        (1, {"cost_1d", "cost_7d", "cost_30d", "cost_90d"}),
        (2, {"cost_7d", "cost_30d", "cost_90d"}),
        (7, {"cost_7d", "cost_30d", "cost_90d"}),
        (8, {"cost_30d", "cost_90d"}),
        (30, {"cost_30d", "cost_90d"}),
        (31, {"cost_prev_30d", "cost_90d"}),
        (60, {"cost_prev_30d", "cost_90d"}),
        (61, {"cost_90d"}),
        (90, {"cost_90d"}),
        (91, set()),
    ],
)
def test_a_day_counts_in_the_windows_that_reach_it(back: int, windows: set[str]) -> None:
    found = joined(costs({back: {KEY_1: 2.5}}))
    sums = {name for name in SPENDING if name.startswith("cost_") and "median" not in name and "deviation" not in name}

    for seen in (key_1(found), fields(found, "project", "proj_1"), whole(found)):
        assert {name: seen[name] for name in sums} == {name: 2.5 if name in windows else 0.0 for name in sums}


def test_the_dearer_one_of_the_day_so_far_and_the_day_before_counts_as_the_last_day() -> None:
    assert key_1(joined(costs({0: {KEY_1: 3}, 1: {KEY_1: 8}})))["cost_1d"] == 8
    assert key_1(joined(costs({0: {KEY_1: 9}, 1: {KEY_1: 8}})))["cost_1d"] == 9


def test_a_last_day_is_measured_by_the_usual_days_and_not_by_itself() -> None:
    steady = {back: {KEY_1: 10.0 + back % 3} for back in range(2, 31)}
    found = key_1(joined(costs({**steady, 1: {KEY_1: 500}})))

    assert found["cost_daily_median_30d"] == 11
    assert found["cost_deviation_1d"] == pytest.approx((500 - 11) / 1.1), "a tenth of the usual day at the least"


def test_what_costs_the_same_every_day_has_no_endless_deviation() -> None:
    found = key_1(joined(costs({back: {KEY_1: 100.0} for back in range(1, 31)} | {0: {KEY_1: 101.0}})))

    assert found["cost_deviation_1d"] == pytest.approx(0.1)


def test_what_cost_nothing_before_is_measured_in_cents() -> None:
    assert key_1(joined(costs({1: {KEY_1: 0.5}})))["cost_deviation_1d"] == 50


def test_who_is_in_no_complete_report_used_nothing_and_cost_nothing() -> None:
    found = fields(joined(costs({3: {KEY_1: 1}})), "project_api_key", "proj_2", "key_3")

    assert {name: found[name] for name in SPENDING} == {name: [] if name == "models_30d" else 0 for name in SPENDING}


def test_a_project_pays_for_what_no_key_is_named_for() -> None:
    found = joined(costs({3: {KEY_1: 1, KEY_2: 2, NOBODY: 4}}))

    assert key_1(found)["cost_30d"] == 1
    assert fields(found, "project", "proj_1")["cost_30d"] == 7
    assert fields(found, "project", "proj_2")["cost_30d"] == 0
    assert (whole(found)["cost_30d"], whole(found)["cost_unattributed_30d"]) == (7, 4)


def test_a_service_account_is_the_sum_of_its_keys_in_its_project() -> None:
    found = joined(
        [*costs({3: {KEY_1: 1, KEY_2: 2, NOBODY: 4}}), *used("usage_images", {3: {("proj_1", "key_2", "m"): (5, 6)}})]
    )

    account = fields(found, "service_account", "proj_1", "user_1")
    assert (account["cost_30d"], account["requests_30d"], account["models_30d"]) == (3, 5, ["m"])
    assert fields(found, "service_account", "proj_2", "user_1")["cost_30d"] == 0


def test_keys_that_were_not_seen_may_belong_to_a_service_account() -> None:
    gap = Gap("project_api_key", ("proj_1",), Status.REFUSED, "403")
    found = joined(costs({3: {KEY_1: 1}}), hidden=[gap])

    assert fields(found, "service_account", "proj_1", "user_1")["cost_30d"] == Unknown((gap,))
    assert fields(found, "service_account", "proj_2", "user_1")["cost_30d"] == 0
    assert whole(found)["unlisted_keys"] == Unknown((gap,))


def test_requests_and_tokens_of_all_reports_are_added_up_by_key_project_and_model() -> None:
    key = ("proj_1", "key_1", "gpt-5.1")
    small, nobody = ("proj_1", "key_2", "o4-mini"), ("proj_1", None, "gpt-5.1")
    found = joined(
        [
            *used("usage_completions", {0: {key: (3, 490)}, 30: {key: (1, 100), small: (7, 70)}, 31: {key: (99, 99)}}),
            *used("usage_embeddings", {2: {nobody: (10, 1000)}}),
            *used("usage_file_search_calls", {2: {KEY_1: (5,)}}),
            *used("usage_vector_stores", {2: {NOBODY: (4096,)}}),
        ]
    )

    seen = key_1(found)
    assert (seen["requests_30d"], seen["tokens_30d"], seen["models_30d"]) == (9, 590, ["gpt-5.1"])
    project = fields(found, "project", "proj_1")
    assert (project["requests_30d"], project["tokens_30d"]) == (26, 1660)
    assert project["models_30d"] == ["gpt-5.1", "o4-mini"]
    used_models = {each.ids: each.fields for each in found.collection(MODEL_USE).records}
    assert used_models == {
        ("proj_1", "gpt-5.1"): {
            "model": "gpt-5.1",
            "project.id": "proj_1",
            "project.name": "research",
            "project.status": "active",
            "requests_30d": 14,
            "tokens_30d": 1590,
        },
        ("proj_1", "o4-mini"): {
            "model": "o4-mini",
            "project.id": "proj_1",
            "project.name": "research",
            "project.status": "active",
            "requests_30d": 7,
            "tokens_30d": 70,
        },
    }


def test_keys_that_are_billed_now_and_in_no_list_are_named() -> None:
    gone: Group = ("proj_9", "key_9", None)
    found = joined(costs({0: {KEY_1: 1}, 1: {gone: 0.01}, 2: {("proj_9", "key_8", None): 5}}))

    assert whole(found)["unlisted_keys"] == ["key_9"]


@pytest.mark.parametrize("deleted", ["key_9", "proj_9"])
def test_keys_that_were_deleted_meanwhile_are_billed_and_no_news(deleted: str) -> None:
    found = joined(costs({1: {("proj_9", "key_9", None): 1, ("proj_8", "key_8", None): 1}}), deleted={deleted})

    assert whole(found)["unlisted_keys"] == ["key_8"]


def failed(report: str) -> Mapping[str, Reading]:
    return {**READINGS, report: Reading(report, AT, AT - DAY, Status.REFUSED, "403", "give it the permission")}


def test_behind_a_refused_report_of_costs_only_costs_are_unknown() -> None:
    found = joined([*costs({3: {KEY_1: 1}}), *used("usage_images", {3: {("proj_1", "key_1", "m"): (5, 6)}})],
                   readings=failed("cost"))  # fmt: skip

    gap = Gap("cost", (), Status.REFUSED, "403", "give it the permission")
    assert [line.gap for line in found.coverage if line.gap] == [gap]
    for seen in (key_1(found), fields(found, "project", "proj_1"), whole(found)):
        assert {name: seen[name] for name in SPENDING if name.startswith("cost")} == {
            name: Unknown((gap,)) for name in SPENDING if name.startswith("cost")
        }
        assert (seen["requests_30d"], seen["models_30d"]) == (5, ["m"])
    assert whole(found)["cost_unattributed_30d"] == whole(found)["unlisted_keys"] == Unknown((gap,))


def test_behind_a_refused_report_of_use_models_that_were_seen_are_still_known() -> None:
    found = joined(used("usage_images", {3: {("proj_1", "key_1", "m"): (5, 6)}}), readings=failed("usage_completions"))

    gap = found.gaps[0]
    assert key_1(found)["requests_30d"] == key_1(found)["tokens_30d"] == Unknown((gap,))
    assert key_1(found)["models_30d"] == Unknown((gap,), ("m",))
    assert key_1(found)["cost_30d"] == 0
    assert found.collection(MODEL_USE).gaps == (gap,)
    assert [each.id for each in found.collection(MODEL_USE).records] == ["m"]


def test_a_report_that_tells_no_keys_apart_hides_nothing_of_keys() -> None:
    found = joined([], readings=failed("usage_vector_stores"))

    assert key_1(found)["requests_30d"] == 0
    assert len(found.gaps) == 1


def test_a_reading_of_yesterday_is_counted_up_to_yesterday_and_shows_its_age() -> None:
    found = joined(costs({0: {KEY_1: 1}, 30: {KEY_1: 2}}), at=AT + DAY)

    assert not found.gaps
    assert key_1(found)["cost_30d"] == 3
    assert whole(found)["costs_read_at"] == whole(found)["usage_read_at"] == AT


def test_costs_in_two_currencies_are_not_added_up() -> None:
    days = costs({3: {KEY_1: 1}, 4: {KEY_1: 1}})
    days = [replace(day, currency="eur") if day.day == TODAY - 4 else day for day in days]

    found = joined(days)

    assert [gap.reason for gap in found.gaps] == ["costs come in several currencies: eur, usd"]
    assert isinstance(key_1(found)["cost_30d"], Unknown)


def test_every_field_that_is_joined_is_one_that_policies_may_name() -> None:
    found = joined(costs({3: {KEY_1: 1}}))
    for kind in (*SPENDERS, *SUMMED):
        for record in found.collection(kind).records:
            names = {name for name in record.fields if not name.startswith("owner.")}
            assert names <= set(fields_of(kind))
            assert kind not in SPENDERS or set(SPENDING) <= names
