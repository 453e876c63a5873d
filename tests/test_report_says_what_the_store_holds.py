"""The view model: what the report says, drawn from a real store."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sample

from auditor.config import Findings
from auditor.findings.model import Finding, identity
from auditor.reporting.build import build, compose
from auditor.reporting.facts import Facts
from auditor.reporting.headline import dark, sentences
from auditor.reporting.render import render_report
from auditor.reporting.rows import MAX_ROWS
from auditor.reporting.view import ChangeKind, Report
from auditor.store import runs
from auditor.store.database import Store, open_store
from auditor.terms import Level, Outcome, State, Status


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'auditor.db'}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('week') / 'auditor.db'}")
    sample.fill(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def week(filled: Store) -> Facts:
    return sample.facts(filled)


@pytest.fixture(scope="module")
def report(week: Facts) -> Report:
    return compose(week, sample.POLICIES, Findings())


def test_the_score_is_the_weighted_share_of_policies_that_pass(report: Report) -> None:
    # Critical 10, high 5, medium 3, low 1: passed are one critical, one high, one medium and two low.
    assert (report.score.earned, report.score.possible) == (10 + 5 + 3 + 1 + 1, 3 * 10 + 3 * 5 + 4 * 3 + 3)
    assert report.score.now == 100 * 20 // 60


def test_an_unknown_policy_counts_as_not_passed(week: Facts) -> None:
    known = {**sample.OUTCOMES, "certificate-expiring": (Outcome.PASS, 3, 0, 0)}
    better = replace(week, latest=sample.run(sample.NOW - 1, known))
    assert compose(better, sample.POLICIES, Findings()).score.earned == 20 + 3
    assert compose(week, sample.POLICIES, Findings()).summary.unknown == 2


def test_only_a_clean_sheet_scores_100(week: Facts) -> None:
    clean = dict.fromkeys(sample.OUTCOMES, (Outcome.PASS, 1, 0, 0))
    spoilt = {**clean, "project-archived-key": (Outcome.FAIL, 0, 1, 0)}
    scores = [
        compose(replace(week, latest=sample.run(sample.NOW, said)), sample.POLICIES, Findings()).score.now
        for said in (clean, spoilt)
    ]
    assert scores == [100, 98]


def test_policies_that_watch_events_are_not_scored(week: Facts) -> None:
    with_events = {**sample.OUTCOMES, "login-failures": (Outcome.PASS, 0, 0, 0)}
    report = compose(replace(week, latest=sample.run(sample.NOW, with_events)), sample.POLICIES, Findings())
    assert report.score.possible == 60
    assert report.summary.total == len(sample.OUTCOMES)


def test_the_period_is_measured_from_the_last_snapshot_before_it(report: Report) -> None:
    assert report.score.before == 100 * 35 // 60
    assert report.score.change == 33 - 58
    assert len(report.score.history) == 8


def test_a_day_with_many_snapshots_is_one_point_of_the_trend(store: Store) -> None:
    with store.transaction() as tx:
        for quarter in range(3 * 96):
            runs.add(tx, sample.run(sample.NOW - quarter * 900))
    report = build(store, sample.ORGANIZATION, sample.POLICIES, Findings(), start=sample.START, now=sample.NOW)
    assert [point.at for point in report.score.history][-1] == sample.NOW
    assert len(report.score.history) == 4


def test_occurrences_are_told_apart_and_not_counted_as_findings(report: Report) -> None:
    assert [row.policy for row in report.occurrences] == [
        "allowlist-deactivated",
        "admin-key-created",
        "login-failures",
    ]
    assert {tally.name: tally.count for tally in report.levels} == {
        "critical": 3, "high": 12, "medium": 30, "low": 3, "informational": 0,
    }  # fmt: skip


def test_changes_of_the_period_are_counted_by_kind_and_listed_latest_first(report: Report) -> None:
    changes = report.changes
    assert (changes.opened, changes.reopened, changes.resolved) == (3, 1, 2)
    assert [change.at for change in changes.rows] == sorted((change.at for change in changes.rows), reverse=True)
    gone = [change.finding.name for change in changes.rows if change.kind is ChangeKind.RESOLVED]
    assert gone == ["old-terraform", "guest@example.net"]


def test_actions_are_the_failing_policies_worst_first_with_what_they_win(report: Report) -> None:
    first = report.actions[0]
    assert (first.policy, first.count, first.gain) == ("owner-outside-groups", 2, 50 - 33)
    assert first.names == ("Bo Lind (user_2)", "Ivo Kranz (user_9)")
    assert [action.level.rank for action in report.actions] == sorted(
        (action.level.rank for action in report.actions), reverse=True
    )


def test_who_did_it_is_one_line_however_much_the_event_tells(report: Report) -> None:
    actors = {row.policy: row.actor for row in report.occurrences}
    assert actors["allowlist-deactivated"] == "bo@example.com (user_2) from 203.0.113.9"
    assert actors["login-failures"] == ""
    (ada,) = (row.actor for group in report.findings for row in group.rows if row.name == "Bo Lind")
    assert ada == "ada@example.com from 198.51.100.4"


def test_a_waived_finding_stays_visible_with_who_accepted_it_until_when(report: Report) -> None:
    assert [row.state for row in report.waived] == [State.WAIVED]
    assert report.waived_count == 1
    decision = report.waived[0].decision
    assert decision
    assert (decision.by, decision.waiver, decision.until) == ("ada@example.com", "limits", sample.NOW + 10 * sample.DAY)
    assert "The vendor raises them in June" in render_report(report)


def test_the_score_is_given_with_and_without_waivers(week: Facts) -> None:
    assert compose(week, sample.POLICIES, Findings()).score.accepted == 33, "two of three limits are not waived"
    policy = "project-without-rate-limit"
    kept = {id_: each for id_, each in week.findings.items() if each.policy != policy or each.waived}
    report = compose(replace(week, findings=kept), sample.POLICIES, Findings())
    assert (report.score.now, report.score.accepted) == (33, 100 * 21 // 60)
    assert "35 if accepted risks counted as passed" in render_report(report)
    unseen = {**sample.OUTCOMES, policy: (Outcome.FAIL, 9, 1, 1)}
    dark = replace(week, findings=kept, latest=sample.run(sample.NOW, unseen))
    assert compose(dark, sample.POLICIES, Findings()).score.accepted == 33, "what was not seen is no accepted risk"


def test_waivers_are_shown_with_what_is_wrong_with_them(report: Report) -> None:
    (row,) = report.waivers
    assert (row.id, row.ends_soon, row.matches, row.ticket) == ("limits", True, 1, "SEC-9")
    assert row.faults == ("void for 2 findings: a pinned fact changed",)
    html = render_report(report)
    assert "policy: project-without-rate-limit" in html
    assert "void for 2 findings" in html


def test_a_waiver_that_is_over_is_shown_for_thirty_days(week: Facts) -> None:
    until = week.waivers[0].waiver.until
    for now, count in ((until + 30 * sample.DAY - 1, 1), (until + 30 * sample.DAY, 0)):
        later = compose(replace(week, end=now), sample.POLICIES, Findings()).waivers
        assert len(later) == count
        assert all(row.faults == ("expired: delete it, or renew it after a review",) for row in later)


def test_what_is_overdue_is_listed_the_oldest_first(week: Facts, report: Report) -> None:
    late = report.overdue
    assert report.overdue_count == len(late) > 5
    assert all(row.due_at is not None and row.due_at <= sample.NOW for row in late)
    assert [row.due_at for row in late] == sorted(row.due_at or 0 for row in late)
    assert not [row for row in late if row.state is State.WAIVED or row.occurrence]
    patient = Findings.model_validate({"due": dict.fromkeys(("critical", "high", "medium", "low"), "900d")})
    assert compose(week, sample.POLICIES, patient).overdue_count == 0


def test_gaps_of_one_kind_and_reason_are_one_line_with_their_places(report: Report) -> None:
    users, certificates = sorted(report.unseen.gaps, key=lambda gap: -gap.count)
    assert (users.kind, users.status, users.count) == ("project_user", Status.PARTIAL, 7)
    assert users.scopes == ("proj_0", "proj_1", "proj_2", "proj_3", "proj_4")
    assert (certificates.kind, certificates.status) == ("certificate", Status.REFUSED)
    assert "api.certificates.read" in certificates.hint


def test_unknown_policies_and_lagging_streams_are_listed_as_unseen(report: Report) -> None:
    assert [row.policy for row in report.unseen.unknowns] == ["api-call-logging-disabled", "certificate-expiring"]
    assert [row.stream for row in report.unseen.streams] == ["tenant"]
    assert dark(report) == (
        "8 collections could not be read whole, 2 policies have no answer and the audit log is incomplete."
    )


def test_a_control_fails_before_it_is_unknown_and_is_unknown_before_it_passes(report: Report) -> None:
    nist = next(each for each in report.frameworks if each.name == "nist-800-53")
    outcomes = {control.id: control.outcome for control in nist.controls}
    assert outcomes["AC-2(3)"] is Outcome.FAIL  # a stale key fails it, though the admin keys pass
    assert outcomes["AU-2"] is Outcome.UNKNOWN
    assert outcomes["PS-4"] is Outcome.PASS
    assert list(outcomes)[:4] == ["AC-2(3)", "AC-3", "AC-6", "AC-6(5)"]


def test_events_are_counted_by_day_and_by_type(report: Report) -> None:
    assert report.activity.total == sum(day.count for day in report.activity.days)
    assert [day.name for day in report.activity.days] == [f"2025-11-{day}" for day in range(17, 25)]
    assert report.activity.types[0].name == "login.succeeded"
    assert len(report.activity.types) + report.activity.other_types == len(sample.EVENTS)


def test_deliveries_are_counted_by_sink(report: Report) -> None:
    (row,) = report.deliveries
    assert (row.sink, row.delivered + row.waiting + row.dead) == ("security", len(sample.transitions()))
    assert row.dead > 0
    assert row.waiting > 0


def test_the_digests_change_with_what_the_store_holds(week: Facts) -> None:
    before = compose(week, sample.POLICIES, Findings()).proof
    touched = {key: replace(each, seen_at=each.seen_at + 1) for key, each in week.findings.items()}
    after = compose(replace(week, findings=touched), sample.POLICIES, Findings()).proof
    assert before.findings_sha256 != after.findings_sha256
    assert before.ledger_sha256 == after.ledger_sha256


def test_equal_facts_give_an_equal_report(filled: Store) -> None:
    first, second = (
        build(filled, sample.ORGANIZATION, sample.POLICIES, Findings(), start=sample.START, now=sample.NOW)
        for _ in range(2)
    )
    assert first == second


def test_more_findings_than_a_report_lists_are_counted(week: Facts) -> None:
    many = _many(5_000)
    report = compose(replace(week, findings={each.id: each for each in many}), sample.POLICIES, Findings())
    assert report.active == 5_000
    assert report.listed <= MAX_ROWS
    assert sum(group.total for group in report.findings) == 5_000


def test_an_empty_store_is_no_pass(store: Store) -> None:
    report = build(store, sample.ORGANIZATION, sample.POLICIES, Findings(), start=sample.START, now=sample.NOW)
    assert report.score.now is None
    assert report.summary.total == 0
    assert "nothing can be said" in sentences(report)[0]
    assert {row.outcome for row in report.policies} == {None}


def test_a_period_without_a_snapshot_tells_the_last_one_known(store: Store) -> None:
    with store.transaction() as tx:
        runs.add(tx, sample.run(sample.START - 30 * sample.DAY))
    report = build(store, sample.ORGANIZATION, sample.POLICIES, Findings(), start=sample.START, now=sample.NOW)
    assert report.score.now == 33
    assert report.score.change is None
    assert report.proof.taken_at is not None


def _many(count: int) -> list[Finding]:
    base = sample.FINDINGS[3]
    names = list(sample.POLICIES)[:13]
    return [
        replace(
            base,
            id=identity("acme", names[n % 13], "project_api_key", (f"key_{n}",)),
            policy=names[n % 13],
            level=Level(sample.POLICIES[names[n % 13]].level),
            ids=(f"proj_{n % 40}", f"key_{n}"),
        )
        for n in range(count)
    ]
