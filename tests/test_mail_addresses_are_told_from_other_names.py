"""Which owners are people who can be written to, and which addresses letters are sent to: one rule for both."""

import json
import re
import time

import pytest
from alerts import HOSTILE
from deliveries import alert
from slack import Server, by_token
from test_slack_keeps_one_message_for_a_group import shown

from auditor.alerts.mailaddress import is_address
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.errors import ConfigError
from auditor.simulator.slack_workspace import FakeSlack

pytest_plugins = ["slackserver"]

PEOPLE = [
    "ada@example.com",
    "sean.o'brien@example.com",
    "ada+audit_2@mail.example.com",
    "!#$%&'*+-/?=^_`{|}~@example.com",
    "a" * 64 + "@example.com",
    "ada@localhost",
    "ada@" + "b" * 63 + ".example",
]
NOBODY = [
    "ci-bot",
    "a..b@example.com",
    ".a@example.com",
    "a.@example.com",
    "a" * 65 + "@example.com",
    "a@" + ("b" * 60 + ".") * 5 + "example",
    "a@" + "b" * 64 + ".example",
    "a@b@example.com",
    "a@-b.example",
    "a@b-.example",
    "a@example..com",
    "a@example.com.",
    "@example.com",
    "a@",
    '"a b"@example.com',
    "a@[192.0.2.1]",
    "a@example.com\n",
    "a@example.com,b@example.com",
    "a b@example.com",
    "a;b@example.com",
    "a:b@example.com",
    "a\\b@example.com",
    "(a)@example.com",
    "<!channel>@example.com",
    "&lt;!channel&gt;@example.com",
    "<@U00000001>@example.com",
    "a|b>@example.com",
    "jörg@example.com",
    "ada@exämple.com",
    "\uff41da@example.com",
]


@pytest.mark.parametrize("address", PEOPLE)
async def test_whoever_has_an_address_gets_direct_messages_and_letters(address: str, server: Server) -> None:
    server.slack = FakeSlack(people={address: "U00000001"})
    await build("people", by_token(server.address, channel="@owner")).send(alert("a", owner=address), Context())
    assert [posted.channel for posted in server.slack.messages] == ["D00000001"]
    assert build("mail", letters_to(address)).preview(alert("a")).partition("\nSubject")[0].endswith(f"To: {address}")


@pytest.mark.parametrize("address", PEOPLE)
async def test_an_owner_whom_slack_does_not_know_is_named_where_nothing_is_read_as_mark_up(
    address: str, server: Server
) -> None:
    server.slack = FakeSlack()
    sink = build("people", by_token(server.address, channel="@owner", otherwise="#security"))
    await sink.send(alert("a", owner=address), Context())
    (posted,) = server.slack.messages
    assert shown(posted).splitlines()[-1] == f"Meant for {address}, whom Slack does not know."
    assert "mrkdwn" not in json.dumps(posted.blocks)
    assert address not in posted.text


@pytest.mark.parametrize("name", [*NOBODY, *HOSTILE.values()])
def test_what_is_no_address_is_nobody(name: str) -> None:
    assert not is_address(name)
    assert alert("a", owner=name).person == ""


@pytest.mark.parametrize("name", NOBODY)
def test_no_letter_is_sent_to_what_is_no_address(name: str) -> None:
    with pytest.raises(ConfigError, match=re.escape("to.0`: is no address")):
        build("mail", letters_to(name))


def test_a_long_name_is_judged_at_once() -> None:
    started = time.monotonic()
    assert not is_address("a." * 500_000 + "@example.com")
    assert not is_address("a@" + "b." * 500_000)
    assert time.monotonic() - started < 1


def letters_to(address: str) -> dict[str, object]:
    return {"type": "email", "host": "mail.example.com", "sender": "auditor@example.com", "to": [address]}
