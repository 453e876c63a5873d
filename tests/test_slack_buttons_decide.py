"""A press of a button in Slack is a decision in the store: by the real slack-sdk, over a socket, on both databases."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from buttons import (
    ADA,
    BO,
    CHANNEL,
    EVE,
    LONGEST,
    Heard,
    alert_of,
    config_of,
    day,
    finding,
    keep,
    listening,
    posted,
    settings,
    stored,
    waived,
    words,
)
from slack import Server

from auditor.alerts.buttons import ACKNOWLEDGE, WAIVE
from auditor.alerts.message import AlertKind
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.findings.model import Finding
from auditor.jobs import decisions
from auditor.simulator.slack_interactive import Interactive
from auditor.store import transitions
from auditor.store.database import Store, open_store
from auditor.terms import State

pytest_plugins = ["slackpeople", "databases", "slackserver"]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = open_store(database_url)
    keep(store, FINDING)
    yield store
    store.close()


FINDING = finding()


def answer(people: Interactive, number: int = 1) -> str:
    """The last of so many answers, without the line that says which finding it is about."""
    people.wait(lambda: len(people.whispers) >= number)
    assert len(people.whispers) == number
    told, about = words(people.whispers[-1]).split("\n")
    assert "inding " in about
    return told


def opened(people: Interactive, user: str = ADA, found: Finding = FINDING) -> dict[str, Any]:
    """The dialog that a press opens."""
    before = len(people.views)
    assert people.press(user, CHANNEL, WAIVE, found.id).wait()
    people.wait(lambda: len(people.views) > before)
    return people.views[-1]


def reasons(store: Store, found: Finding = FINDING) -> list[tuple[str, str]]:
    with store.transaction() as tx:
        return [(row.reason.value, row.by) for row in transitions.of_finding(tx, found.id)]


async def test_a_press_under_an_alert_acknowledges_the_finding(
    server: Server, people: Interactive, store: Store, heard: Heard
) -> None:
    await build("security", settings(server.address)).send(alert_of(FINDING), Context())
    assert people.click(BO, posted(server.slack), ACKNOWLEDGE).wait()
    told = answer(people)
    found = stored(store, FINDING)
    assert (found.state, found.decision and found.decision.by) == (State.ACKNOWLEDGED, "bo@example.com")
    assert told == "Acknowledged by bo@example.com: it is not repeated, and stays due until it is mended."
    assert (people.whispers[0].channel, people.whispers[0].user) == (CHANNEL, BO)
    assert reasons(store) == [("acknowledged", "bo@example.com")]
    heard.comes_to("acknowledged")


NAMED = f"Project API key ci-bot (proj_1/key_1), finding {FINDING.id} of project-key-stale"


def test_who_decides_sees_by_its_ids_what_is_decided(people: Interactive, store: Store, heard: Heard) -> None:
    view = opened(people)
    told = [block["text"]["text"] for block in view["blocks"] if block["type"] == "section"]
    assert told == [f"Project API key unused for 90 days: {NAMED}", "ci-bot: last used 91 days ago"]
    assert people.submit(ADA, view, "moves in May", day(30)).wait()
    answer(people)
    assert people.press(ADA, CHANNEL, WAIVE, FINDING.id).wait()
    answer(people, 2)
    assert people.press(ADA, CHANNEL, ACKNOWLEDGE, "00ff").wait()
    answer(people, 3)
    about = [words(whisper).splitlines()[1] for whisper in people.whispers]
    assert about == [f"Project API key unused for 90 days: {NAMED}"] * 2 + ["Finding 00ff"]


async def test_a_risk_is_accepted_in_a_dialog(server: Server, people: Interactive, store: Store, heard: Heard) -> None:
    await build("security", settings(server.address)).send(alert_of(FINDING), Context())
    assert people.click(ADA, posted(server.slack), WAIVE).wait()
    people.wait(lambda: bool(people.views))
    (view,) = people.views
    assert people.submit(ADA, view, " moves in May\n", day(30), "SEC-1").wait()
    told = answer(people)
    (waiver,) = waived(store)
    assert (waiver.reason, waiver.ticket, waiver.owner, waiver.by) == (
        "moves in May",
        "SEC-1",
        "ada@example.com",
        "ada@example.com",
    )
    assert waiver.match.resource == ("proj_1/key_1",)
    assert stored(store, FINDING).state is State.WAIVED
    assert told == f"Waived by ada@example.com until {day(30)}: waiver {waiver.id}."
    assert reasons(store) == [("waived", "ada@example.com")]
    heard.comes_to("asked", "waived")


def test_what_slack_sends_again_does_nothing_again(people: Interactive, store: Store, heard: Heard) -> None:
    sent = people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id)
    assert sent.wait()
    heard.comes_to("acknowledged")
    for _ in range(3):
        assert people.again(sent).wait(), "confirmed, or it would come for ever"
    view = opened(people)
    sent = people.submit(ADA, view, "moves in May", day(30))
    assert sent.wait()
    heard.comes_to("acknowledged", *["repeated"] * 3, "asked", "waived")
    assert people.again(sent).wait()
    heard.comes_to("acknowledged", *["repeated"] * 3, "asked", "waived", "repeated")
    assert reasons(store) == [("acknowledged", "bo@example.com"), ("waived", "ada@example.com")]
    assert len(waived(store)) == 1
    assert len(people.whispers) == 2


def test_what_two_processes_are_told_is_decided_once(
    server: Server, people: Interactive, store: Store, heard: Heard
) -> None:
    view = opened(people)
    sent = people.submit(ADA, view, "moves in May", day(30))
    assert sent.wait()
    answer(people)
    with listening(store, config_of(settings(server.address))) as other:
        people.wait(lambda: len(people.connections) == 2)
        assert people.again(sent).wait(), "the newest connection is that of the other one"
        answer(people, 2)
        other.comes_to("waived")  # it is told what the first one decided
    assert len(waived(store)) == 1
    assert reasons(store) == [("waived", "ada@example.com")]


def test_a_waiver_that_was_ended_is_not_brought_back_by_an_old_envelope(
    server: Server, people: Interactive, store: Store, heard: Heard
) -> None:
    sent = people.submit(ADA, opened(people), "moves in May", day(30))
    assert sent.wait()
    answer(people)
    (waiver,) = waived(store)
    now = waiver.on
    decisions.end(store, "acme", waiver.id, "ada@example.com", now, 30 * 86_400)
    keep(store, replace(FINDING, state=State.REOPENED))
    with listening(store, config_of(settings(server.address))):
        people.wait(lambda: len(people.connections) == 2)
        assert people.again(sent).wait()
        answer(people, 2)
    assert people.whispers[-1].text.startswith("The waiver")
    assert [each.until for each in waived(store)] == [now]
    assert stored(store, FINDING).state is State.REOPENED


STALE = {
    "resolved": "The finding is resolved: nothing is left to decide.",
    "waived": "The finding is waived already by ada@example.com",
    "unknown": "This auditor knows no such finding (any more).",
}


@pytest.mark.parametrize("action", [ACKNOWLEDGE, WAIVE])
@pytest.mark.parametrize("case", STALE)
def test_a_press_that_comes_too_late_is_told_why(
    people: Interactive, store: Store, heard: Heard, case: str, action: str
) -> None:
    pressed = FINDING
    if case == "resolved":
        keep(store, replace(FINDING, state=State.RESOLVED, resolved_at=FINDING.opened_at + 60))
    elif case == "waived":
        assert people.submit(ADA, opened(people), "moves in May", day(30)).wait()
        heard.comes_to("asked", "waived")
        people.whispers.clear()
        heard.clear()
    else:
        pressed = replace(FINDING, id="00ff")
    before = reasons(store)
    assert people.press(ADA, CHANNEL, action, pressed.id).wait()
    assert answer(people).startswith(STALE[case])
    heard.comes_to("stale")
    assert reasons(store) == before


def test_a_dialog_that_was_open_too_long_waives_nothing(people: Interactive, store: Store, heard: Heard) -> None:
    view = opened(people)
    keep(store, replace(FINDING, state=State.RESOLVED, resolved_at=FINDING.opened_at + 60))
    assert people.submit(ADA, view, "moves in May", day(30)).wait()
    assert answer(people) == STALE["resolved"]
    assert waived(store) == []


def test_who_comes_second_is_told_who_was_first(people: Interactive, store: Store, heard: Heard) -> None:
    for number, user in enumerate((BO, ADA, BO), 1):
        assert people.press(user, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
        told = answer(people, number)
        assert told.startswith(
            "bo@example.com has acknowledged it already" if user == ADA else "Acknowledged by bo@example.com"
        )
    assert reasons(store) == [("acknowledged", "bo@example.com")]


def test_what_is_acknowledged_may_still_be_waived(people: Interactive, store: Store, heard: Heard) -> None:
    assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
    answer(people)
    assert people.submit(ADA, opened(people), "moves in May", day(30)).wait()
    answer(people, 2)
    assert stored(store, FINDING).state is State.WAIVED


def test_what_happened_once_is_acknowledged_and_not_waived(people: Interactive, store: Store, heard: Heard) -> None:
    once = finding("event_1", occurrence=True)
    keep(store, once)
    assert people.press(ADA, CHANNEL, WAIVE, once.id).wait()
    assert answer(people) == "It happened once, and cannot be accepted for a time. Acknowledge it."
    assert people.press(ADA, CHANNEL, ACKNOWLEDGE, once.id).wait()
    answer(people, 2)
    assert stored(store, once).state is State.ACKNOWLEDGED


OBJECTIONS = {
    "no reason": (("", 30), {"reason": "Say why the risk is accepted, in 2000 characters at most."}),
    "blanks for a reason": ((" \n ", 30), {"reason": "Say why the risk is accepted, in 2000 characters at most."}),
    "a book for a reason": (("b" * 2001, 30), {"reason": "Say why the risk is accepted, in 2000 characters at most."}),
    "no end": (("moves in May", None), {"until": "Choose a day from today on, {latest} at the latest."}),
    "an end that is over": (("moves in May", -1), {"until": "Choose a day from today on, {latest} at the latest."}),
    "an end beyond the limit": (
        ("moves in May", LONGEST // 86_400 + 2),
        {"until": "Choose a day from today on, {latest} at the latest."},
    ),
    "nothing at all": (
        ("", None),
        {
            "reason": "Say why the risk is accepted, in 2000 characters at most.",
            "until": "Choose a day from today on, {latest} at the latest.",
        },
    ),
}


@pytest.mark.parametrize("case", OBJECTIONS)
def test_what_is_wrong_in_the_dialog_is_said_in_the_dialog(
    people: Interactive, store: Store, heard: Heard, case: str
) -> None:
    (reason, days), wrong = OBJECTIONS[case]
    sent = people.submit(ADA, opened(people), reason, "" if days is None else day(days))
    assert sent.wait()
    latest = day(LONGEST // 86_400)
    assert sent.answer == {
        "response_action": "errors",
        "errors": {field: text.format(latest=latest) for field, text in wrong.items()},
    }
    assert waived(store) == []
    assert people.whispers == []


def test_the_last_day_that_is_offered_is_accepted(people: Interactive, store: Store, heard: Heard) -> None:
    view = opened(people)
    latest = day(LONGEST // 86_400)
    assert latest in str(view["blocks"])
    assert people.submit(ADA, view, "moves in May", latest).wait()
    assert answer(people).startswith("Waived")


def test_a_risk_is_accepted_by_deciders_only(people: Interactive, store: Store, heard: Heard) -> None:
    view = opened(people)
    assert people.press(BO, CHANNEL, WAIVE, FINDING.id).wait()
    assert answer(people).startswith("You are not one of those who may accept risks")
    assert len(people.views) == 1, "no dialog"
    assert people.submit(BO, view, "let me", day(30)).wait()
    assert answer(people, 2).startswith("You are not one of those who may accept risks")
    heard.comes_to("asked", "refused", "refused")
    assert waived(store) == []


def test_somebody_of_another_workspace_decides_nothing_whatever_their_address(
    people: Interactive, store: Store, heard: Heard
) -> None:
    elsewhere = {"user": {"id": EVE, "username": "ada", "team_id": "T99999999"}}
    assert people.press(EVE, CHANNEL, ACKNOWLEDGE, FINDING.id, elsewhere).wait()
    assert answer(people) == "Only members of this workspace may acknowledge."
    assert people.press(EVE, CHANNEL, WAIVE, FINDING.id, elsewhere).wait()
    assert answer(people, 2).startswith("You are not one of those who may accept risks")
    assert stored(store, FINDING).state is State.OPEN


@pytest.mark.parametrize(
    "said",
    [{"deleted": True}, {"is_bot": True}, {"is_stranger": True}, {"team_id": "T99999999"}],
    ids=lambda said: next(iter(said)),
)
def test_accounts_that_are_nobody_of_the_workspace_decide_nothing(
    people: Interactive, store: Store, heard: Heard, said: dict[str, Any]
) -> None:
    people.add_person(BO, "ada@example.com", **said)
    assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
    assert answer(people) == "Only members of this workspace may acknowledge."
    assert stored(store, FINDING).state is State.OPEN


def test_an_address_that_slack_did_not_confirm_is_nobody_s(people: Interactive, store: Store, heard: Heard) -> None:
    people.add_person(BO, "ada@example.com", is_email_confirmed=False)
    assert people.press(BO, CHANNEL, WAIVE, FINDING.id).wait()
    assert answer(people).startswith("You are not one of those who may accept risks")
    assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
    assert answer(people, 2).startswith(f"Acknowledged by Person {BO} ({BO})")


def test_members_of_one_enterprise_are_of_one_workspace(people: Interactive, store: Store, heard: Heard) -> None:
    people.add_person(BO, "bo@example.com", team_id="T2", enterprise_user={"enterprise_id": "E1"})
    grid = {"user": {"id": BO, "team_id": "T2"}, "enterprise": {"id": "E1", "name": "Example"}}
    assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id, grid).wait()
    assert answer(people).startswith("Acknowledged by bo@example.com")


def test_whom_slack_does_not_know_is_written_down_by_id(people: Interactive, store: Store, heard: Heard) -> None:
    people.people.clear()
    assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
    assert answer(people).startswith(f"Acknowledged by {BO}:")
    assert reasons(store) == [("acknowledged", BO)]


def test_deciders_may_be_named_by_id(server: Server, people: Interactive, store: Store) -> None:
    people.people.clear()
    with listening(store, config_of(settings(server.address, deciders=[BO]))):
        assert people.submit(BO, opened(people, BO), "moves in May", day(30)).wait()
        assert answer(people).startswith(f"Waived by {BO} until")


def test_without_deciders_nobody_accepts_a_risk(server: Server, people: Interactive, store: Store) -> None:
    with listening(store, config_of(settings(server.address, deciders=[]))):
        assert people.press(ADA, CHANNEL, WAIVE, FINDING.id).wait()
        assert answer(people).startswith("You are not one of those who may accept risks")


def test_findings_of_organizations_that_are_configured_elsewhere_are_left_alone(
    server: Server, people: Interactive, store: Store
) -> None:
    with listening(store, config_of(settings(server.address)), organizations_=("other",)):
        assert people.press(ADA, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
        assert answer(people) == STALE["unknown"]
    assert stored(store, FINDING).state is State.OPEN


HOSTILE = "<!channel> *b* <http://evil.example.com|x> \u202egnp.exe \x1b[31m a\x00b ' OR 1=1 --"


def test_what_people_write_is_kept_harmless_and_told_literally(people: Interactive, store: Store, heard: Heard) -> None:
    visible = HOSTILE.replace("\x00", "")
    named = replace(finding("key_2"), name=visible, title=visible)
    keep(store, named)
    people.add_person(ADA, "ada@example.com")
    people.people[ADA]["profile"]["real_name"] = HOSTILE
    view = opened(people, ADA, named)
    assert {block["text"]["type"] for block in view["blocks"] if block["type"] == "section"} == {"plain_text"}
    assert "\u202e" not in str(view)
    assert people.submit(ADA, view, HOSTILE, day(30), HOSTILE).wait()
    answer(people)
    (waiver,) = waived(store)
    assert not [sign for sign in "\x00\x1b\u202e" if sign in waiver.reason + waiver.ticket]
    assert "<!channel>" in waiver.reason, "what can be seen stays"


def test_a_name_of_somebody_s_choice_never_stands_alone_and_never_mentions(
    people: Interactive, store: Store, heard: Heard
) -> None:
    people.add_person(BO)
    people.people[BO]["profile"]["real_name"] = f"ada@example.com <!channel>{'x' * 5000}"
    assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
    answer(people)
    (whisper,) = people.whispers
    assert "<!channel>" not in whisper.text
    assert whisper.blocks[0]["text"]["type"] == "plain_text"
    decision = stored(store, FINDING).decision
    assert decision is not None
    assert decision.by.endswith(f"({BO})")
    assert len(decision.by) <= 200


KINDS = {
    AlertKind.OPENED: [ACKNOWLEDGE, WAIVE],
    AlertKind.REOPENED: [ACKNOWLEDGE, WAIVE],
    AlertKind.ACKNOWLEDGED: [WAIVE],
    AlertKind.OCCURRED: [ACKNOWLEDGE],
    AlertKind.RESOLVED: [],
    AlertKind.NOTICE: [],
    AlertKind.DIGEST: [],
}


async def buttons(server: Server, raw: dict[str, object], found: Finding, kind: AlertKind) -> list[tuple[str, str]]:
    await build("security", raw).send(alert_of(found, kind), Context())
    return [
        (each["action_id"], each["value"])
        for block in posted(server.slack).blocks
        if block["type"] == "actions"
        for each in block["elements"]
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_buttons_stand_where_something_is_left_to_decide(
    server: Server, people: Interactive, kind: AlertKind
) -> None:
    assert await buttons(server, settings(server.address), FINDING, kind) == [
        (each, FINDING.id) for each in KINDS[kind]
    ]


async def test_what_cannot_be_accepted_has_no_button_for_it_and_a_press_is_refused(
    server: Server, people: Interactive, store: Store, heard: Heard
) -> None:
    log = finding(policy="audit-log-hole", kind="audit_log", ids=("api",), id="0a1b2c3d4e5f6a7b")
    keep(store, log)
    alert = replace(alert_of(log), protected=True)
    await build("security", settings(server.address)).send(alert, Context())
    shown = [block for block in posted(server.slack).blocks if block["type"] == "actions"]
    assert [each["action_id"] for block in shown for each in block["elements"]] == [ACKNOWLEDGE]
    assert people.press(ADA, CHANNEL, WAIVE, log.id).wait()
    assert answer(people) == "Nobody can accept what audit-log-hole finds. Acknowledge it."
    heard.comes_to("stale")


async def test_there_is_no_button_that_nobody_may_press_or_hears(server: Server, people: Interactive) -> None:
    alone = settings(server.address, deciders=[])
    assert await buttons(server, alone, FINDING, AlertKind.OPENED) == [(ACKNOWLEDGE, FINDING.id)]
    assert await buttons(server, alone, FINDING, AlertKind.ACKNOWLEDGED) == []
    deaf = {name: value for name, value in alone.items() if name not in {"app_token", "deciders"}}
    assert await buttons(server, deaf, FINDING, AlertKind.OPENED) == []
