"""Which alert a change of state becomes."""

from dataclasses import replace

import pytest

from auditor.alerts import compose, digests
from auditor.alerts.message import Alert, AlertKind, decode, encode
from auditor.alerts.route import Routing
from auditor.alerts.teller import Teller
from auditor.findings.model import Finding, Reason, Transition
from auditor.findings.protected import UNMUTABLE
from auditor.policy.model import Policy
from auditor.terms import Level, State

FINDING = Finding(
    id="00ff",
    organization="acme",
    policy="project-key-stale",
    kind="project_api_key",
    ids=("proj_1", "key_1"),
    name="ci-bot",
    level=Level.HIGH,
    state=State.OPEN,
    title="Project API key unused for 90 days",
    message="last used 91 days ago",
    opened_at=1_767_225_600,
    seen_at=1_767_225_600,
    changed_at=1_767_225_600,
    evidence={"matched": ["unused"], "actor": {"email": "ada@example.com", "ip": "192.0.2.7"}},
)
STANDING = Teller({}, Routing()).standing(FINDING)
POLICY = Policy("project-key-stale", "Title", "project_api_key", Level.HIGH, remediation="Delete the key.")


def changed(
    state: State, reason: Reason = Reason.DETECTED, before: State | None = None, finding: Finding = FINDING
) -> Transition:
    return Transition(replace(finding, state=state), before, reason, 1_767_225_700)


def test_an_opened_finding_is_told_with_who_and_from_where() -> None:
    alert = compose.from_transition(changed(State.OPEN), POLICY, "http://127.0.0.1:9847/")
    assert alert == Alert(
        id="00ff.open.1767225700",
        kind=AlertKind.OPENED,
        organization="acme",
        level=Level.HIGH,
        title="Project API key unused for 90 days",
        text="last used 91 days ago",
        at=1_767_225_700,
        policy="project-key-stale",
        finding="00ff",
        resource_kind="project_api_key",
        resource_id="key_1",
        resource_name="ci-bot",
        remediation="Delete the key.",
        facts=(
            ("Who", "ada@example.com"),
            ("From", "192.0.2.7"),
            ("Since", "2026-01-01 00:00:00 UTC"),
            ("Matched", "unused"),
        ),
        link="http://127.0.0.1:9847/findings/00ff",
        project="proj_1",
    )
    assert decode(encode(alert)) == alert


def test_whose_it_is_comes_from_the_evidence_and_the_policy() -> None:
    known = {"owner": "ada@example.com", "project": {"id": "proj_1", "name": "Research"}}
    tagged = replace(POLICY, tags=("attack.t1098",))
    alert = compose.from_transition(changed(State.OPEN, finding=replace(FINDING, evidence=known)), tagged)
    assert alert is not None
    assert (alert.owner, alert.project, alert.project_name) == ("ada@example.com", "proj_1", "Research")
    assert (alert.tags, alert.protected) == (("attack.t1098",), False)


def test_what_is_above_the_projects_is_in_none() -> None:
    for kind, ids in (("user", ("user_1",)), ("user_role", ("user_1", "role_1")), ("no such kind", ("x", "y"))):
        alert = compose.from_transition(changed(State.OPEN, finding=replace(FINDING, kind=kind, ids=ids)), POLICY)
        assert alert is not None
        assert alert.project == ""


def test_what_is_told_of_the_audit_log_itself_and_of_marked_policies_is_protected() -> None:
    of_the_log = compose.from_transition(changed(State.OPEN, finding=replace(FINDING, kind="audit_log")), POLICY)
    marked = compose.from_transition(changed(State.OPEN), replace(POLICY, tags=(UNMUTABLE,)))
    assert of_the_log is not None
    assert marked is not None
    assert (of_the_log.protected, marked.protected) == (True, True)
    assert digests.merged([replace(marked, protected=False), of_the_log], 1).protected


def test_a_group_is_one_digest_that_says_what_its_alerts_share() -> None:
    one = compose.from_transition(changed(State.OPEN), POLICY, "http://127.0.0.1:9847")
    assert one is not None
    two = replace(one, id="b", finding="b", level=Level.CRITICAL)
    told = digests.together([one, two], 7)
    assert (told.kind, told.level, told.policy, told.at) == (AlertKind.DIGEST, Level.CRITICAL, one.policy, 7)
    assert told.title == "2 \N{MULTIPLICATION SIGN} Project API key unused for 90 days"
    assert [line.level for line in told.lines] == [Level.CRITICAL, Level.HIGH]
    mixed = digests.together([one, replace(two, title="Other", policy="other")], 7)
    assert (mixed.title, mixed.policy) == ("2 alerts", "")
    assert digests.together([two, one], 9).id == told.id, "the same alerts are the same message"


def test_what_is_told_again_says_since_when_it_is_open() -> None:
    one = compose.from_transition(changed(State.OPEN), POLICY)
    assert one is not None
    again = compose.again(one, 1_767_312_100.5)
    assert again.id == f"{one.id}{compose.REPEATED}1767312100500"
    assert again.title == "Still open: Project API key unused for 90 days"
    assert again.facts[0] == ("Still open since", "2026-01-01 00:01:40 UTC")
    assert compose.again(one, 1_767_312_100.5) == again


@pytest.mark.parametrize(
    ("transition", "kind"),
    [
        (changed(State.OPEN), AlertKind.OPENED),
        (changed(State.REOPENED, Reason.DETECTED_AGAIN, State.RESOLVED), AlertKind.REOPENED),
        (changed(State.RESOLVED, Reason.COMPLIES, State.OPEN), AlertKind.RESOLVED),
        (changed(State.RESOLVED, Reason.GONE, State.OPEN), AlertKind.RESOLVED),
        (changed(State.RESOLVED, Reason.POLICY_REMOVED, State.OPEN), AlertKind.RESOLVED),
        (changed(State.OPEN, finding=replace(FINDING, occurrence=True)), AlertKind.OCCURRED),
        (changed(State.RESOLVED, Reason.EXPIRED, State.OPEN, replace(FINDING, occurrence=True)), None),
        (changed(State.ACKNOWLEDGED, before=State.OPEN), None),
        (changed(State.WAIVED, before=State.OPEN), None),
    ],
)
def test_each_change_is_told_as_what_it_is_or_is_no_news(transition: Transition, kind: AlertKind | None) -> None:
    alert = compose.from_transition(transition, POLICY)
    assert (alert.kind if alert else None) == kind


def test_a_resolved_finding_says_why_even_when_its_policy_is_gone() -> None:
    alert = compose.from_transition(changed(State.RESOLVED, Reason.POLICY_REMOVED, State.OPEN), None)
    assert alert is not None
    assert ("Why", "policy removed") in alert.facts
    assert (alert.remediation, alert.link) == ("", "")


def test_the_id_is_the_same_on_every_try_and_another_for_every_transition() -> None:
    transitions = [
        changed(State.OPEN),
        changed(State.RESOLVED, Reason.COMPLIES, State.OPEN),
        replace(changed(State.OPEN), at=1_767_225_701),
    ]
    once, again = ([compose.from_transition(each, POLICY) for each in transitions] for _ in range(2))
    assert [alert and alert.id for alert in once] == [alert and alert.id for alert in again]
    assert len({alert.id for alert in once if alert}) == 3


def test_a_secret_used_as_a_name_and_a_flood_do_not_get_into_the_outbox() -> None:
    hostile = replace(FINDING, name="sk-proj-0123456789abcdef", message="x" * 2_000_000 + "\ud800")
    alert = compose.from_transition(changed(State.OPEN, finding=hostile), POLICY)
    assert alert is not None
    assert alert.resource_name == "[secret]"
    assert len(encode(alert)) < 10_000
    surrogate = compose.from_transition(changed(State.OPEN, finding=replace(FINDING, name="a\ud800b")), POLICY)
    assert surrogate is not None
    assert decode(encode(surrogate)).resource_name == "a?b"


def test_the_first_picture_is_one_digest_with_a_stable_id() -> None:
    alerts = [replace(STANDING, id=str(n), level=level) for n, level in enumerate([Level.LOW, Level.CRITICAL])]
    counts = {"critical": 1, "low": 1}
    digest = digests.digest("acme", alerts, counts, 5)
    assert (digest.id, digest.level, digest.counts) == ("baseline/acme", Level.CRITICAL, counts)
    assert [line.level for line in digest.lines] == [Level.CRITICAL, Level.LOW]
    assert digests.digest("acme", [], {}, 6).level is Level.INFORMATIONAL
    assert not digest.protected
    assert digests.digest("acme", [*alerts, replace(STANDING, protected=True)], counts, 5).protected


def test_a_huge_first_picture_is_cut_to_its_worst_findings() -> None:
    alerts = [STANDING] * 5000 + [replace(STANDING, level=Level.CRITICAL)]
    digest = digests.digest("acme", alerts, {"critical": 1, "high": 5000}, 5)
    assert len(digest.lines) == digests.LINES_MAX
    assert digest.lines[0].level is Level.CRITICAL
    assert "5,001 findings" in digest.text


def test_a_storm_becomes_one_digest_that_lists_every_alert() -> None:
    made = [
        compose.from_transition(replace(changed(State.OPEN), at=at), POLICY, "http://127.0.0.1:1") for at in range(30)
    ]
    alerts = [alert for alert in made if alert]
    storm = digests.merged(alerts, 99)
    assert len(storm.lines) == 30
    assert storm.counts == {"opened": 30}
    assert storm.link == "http://127.0.0.1:1"
    assert "page" not in storm.text, "which there may be none of, and which does not show all"
    assert storm.id == digests.merged(alerts[::-1], 100).id != digests.merged(alerts[1:], 99).id
