"""A message that stands for several findings has menus: what is chosen there is decided as what is pressed is."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from buttons import ADA, BO, Heard, alert_of, finding, keep, posted, settings, stored
from deliveries import later, put, routing
from slack import Server

from auditor.alerts import board
from auditor.alerts.buttons import ACKNOWLEDGE, MENUS_MAX, WAIVE, Buttons
from auditor.alerts.conversation import Conversation
from auditor.alerts.deliver import Deliverer
from auditor.alerts.lane import Terms
from auditor.alerts.message import AlertKind
from auditor.alerts.registry import build
from auditor.inventory.schema import EVENT_KIND
from auditor.simulator import slack_blocks
from auditor.simulator.slack_interactive import Interactive
from auditor.store.database import Store, open_store
from auditor.terms import State

FINDINGS = [finding(f"key_{number}", name=f"bot-{number}") for number in range(1, 4)]
pytest_plugins = ["slackpeople", "databases", "slackserver"]

BOTH = Buttons(acknowledge=True, waive=True)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    opened = open_store(sqlite_url)
    keep(opened, *FINDINGS)
    yield opened
    opened.close()


async def tell(store: Store, server: Server, *kinds: AlertKind) -> None:
    """Tell of each finding that it is so; for none given that all are open."""
    told = zip(FINDINGS, kinds or (AlertKind.OPENED,) * len(FINDINGS), strict=False)
    put(store, routing(), *(alert_of(found, kind) for found, kind in told))
    later(store, 400)
    sinks = {"chat": build("chat", settings(server.address))}
    await Deliverer(store, sinks, "owner", terms=Terms(first_wait=0, jitter=0)).deliver_due()


def menus(one: Conversation, buttons: Buttons = BOTH) -> dict[str, list[str]]:
    """The findings in each menu of the message."""
    shown = board.blocks(one, buttons)
    assert not slack_blocks.faults(shown)
    elements: list[dict[str, Any]] = [
        each for block in shown if block["type"] == "actions" for each in block["elements"]
    ]
    return {each["action_id"]: [option["value"] for option in each["options"]] for each in elements}


def standing(*kinds: AlertKind) -> Conversation:
    return Conversation(1).after(alert_of(found, kind) for found, kind in zip(FINDINGS, kinds, strict=False))


async def test_what_is_chosen_in_a_menu_is_acknowledged(
    server: Server, people: Interactive, store: Store, heard: Heard
) -> None:
    await tell(store, server)
    assert people.choose(BO, posted(server.slack), ACKNOWLEDGE, "bot-2").wait()
    heard.comes_to("acknowledged")
    states = [stored(store, found).state for found in FINDINGS]
    assert states == [State.OPEN, State.ACKNOWLEDGED, State.OPEN]


async def test_what_is_chosen_in_a_menu_is_asked_about_in_a_dialog(
    server: Server, people: Interactive, store: Store, heard: Heard
) -> None:
    await tell(store, server)
    assert people.choose(ADA, posted(server.slack), WAIVE, "bot-3").wait()
    people.wait(lambda: bool(people.views))
    heard.comes_to("asked")
    assert FINDINGS[2].id in people.views[0]["private_metadata"]


def test_a_menu_offers_what_is_left_to_decide() -> None:
    first, second, third = (found.id for found in FINDINGS)
    open_, known, over = AlertKind.OPENED, AlertKind.ACKNOWLEDGED, AlertKind.RESOLVED
    one = standing(open_, open_, open_).after([alert_of(FINDINGS[1], known), alert_of(FINDINGS[2], over)])
    assert menus(one) == {ACKNOWLEDGE: [first], WAIVE: [first, second]}
    assert menus(one, Buttons(acknowledge=True)) == {ACKNOWLEDGE: [first]}
    assert menus(one, Buttons()) == {}
    assert third not in str(menus(one))


def test_what_happened_once_is_acknowledged_only() -> None:
    once = [replace(alert_of(found, AlertKind.OCCURRED), resource_kind=EVENT_KIND) for found in FINDINGS]
    one = Conversation(1).after(once)
    assert menus(one) == {ACKNOWLEDGE: [found.id for found in FINDINGS]}
    seen = one.after(replace(each, kind=AlertKind.ACKNOWLEDGED) for each in once)
    assert menus(seen) == {}


def test_what_nothing_may_hold_back_is_acknowledged_only() -> None:
    protected = [replace(alert_of(found), protected=found is FINDINGS[0]) for found in FINDINGS]
    offered = menus(Conversation(1).after(protected))
    assert offered == {ACKNOWLEDGE: [each.id for each in FINDINGS], WAIVE: [each.id for each in FINDINGS[1:]]}


def texts(one: Conversation) -> list[str]:
    """All words of the options of its first menu."""
    shown = board.blocks(one, BOTH)
    (menu, _) = next(block["elements"] for block in shown if block["type"] == "actions")
    return [option[part]["text"] for option in menu["options"] for part in ("text", "description") if part in option]


def test_menus_keep_the_limits_of_slack_whatever_the_names_are() -> None:
    many = [replace(alert_of(finding(f"k{n}")), resource_name=f"<!channel> {n} " + "x" * 500) for n in range(150)]
    one = Conversation(1).after(many)
    offered = menus(one)
    room = len(offered[WAIVE])
    assert offered[ACKNOWLEDGE] == offered[WAIVE] == [each.finding for each in many[:room]]
    assert MENUS_MAX * 0.9 < 2 * sum(map(len, texts(one))) <= MENUS_MAX
    assert f"The menus hold the {room} worst; the others follow as these are decided." in str(board.blocks(one, BOTH))
    decided = one.after(replace(each, kind=AlertKind.WAIVED) for each in many[:140])
    assert set(menus(decided)[WAIVE]) == {each.finding for each in many[140:]}
    assert "The menus hold" not in str(board.blocks(decided, BOTH))


def test_options_of_one_name_are_told_apart_by_ids_that_are_never_cut() -> None:
    names = ("ci-bot", "x" * 500, "key_key_good", "")
    ids = ("key_good", "key_evil", "key_" + "e" * 100 + "_end")
    many = [
        replace(alert_of(finding(f"{name[:8]}-{id_}")), resource_name=name, resource_id=id_)
        for name in names
        for id_ in ids
    ]
    shown = board.blocks(Conversation(1).after(many), BOTH)
    (menu, _) = next(block["elements"] for block in shown if block["type"] == "actions")
    texts = [option["text"]["text"] for option in menu["options"]]
    assert len(set(texts)) == len(texts)
    assert texts[:2] == ["🔺 ci-bot (key_good)", "🔺 ci-bot (key_evil)"]
    assert texts[4].startswith("🔺 xxxxx")
    assert texts[4].endswith("… (key_evil)")
    assert all(text.rstrip(")").endswith(("key_good", "key_evil", "_end")) for text in texts)
    assert not any("description" in option for option in menu["options"])


def test_findings_of_one_resource_are_told_apart_by_their_own_ids() -> None:
    two = [replace(alert_of(finding(f"of-{policy}")), resource_name="bot", resource_id="key_1") for policy in "ab"]
    shown = board.blocks(Conversation(1).after(two), BOTH)
    (menu, _) = next(block["elements"] for block in shown if block["type"] == "actions")
    assert [option["description"]["text"] for option in menu["options"]] == [f"finding {each.finding}" for each in two]


def test_a_message_that_is_not_kept_up_to_date_any_more_has_no_menus() -> None:
    shown = board.blocks(standing(AlertKind.OPENED, AlertKind.OPENED), BOTH, ended=True)
    assert all(block["type"] != "actions" for block in shown)
