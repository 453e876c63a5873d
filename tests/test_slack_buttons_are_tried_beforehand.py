"""`auditor doctor` and `auditor sinks test` say whether what is pressed in Slack would be heard."""

from pathlib import Path

from buttons import settings
from commands import auditor, configured
from organization import served, small
from slack import Server, by_token

from auditor.alerts.registry import build
from auditor.jobs import surroundings
from auditor.jobs.diagnosis import Exit, Mark
from auditor.simulator.slack_interactive import Interactive
from auditor.simulator.slack_workspace import APP_TOKEN

pytest_plugins = ["slackpeople", "slackserver"]


def test_a_test_of_the_sink_tries_the_app_token_too(server: Server, people: Interactive, tmp_path: Path) -> None:
    path = configured(tmp_path, "https://api.example.com/v1", sinks={"security": settings(server.address)})
    good = auditor("sinks", "test", "security", "-c", path, cwd=tmp_path)
    assert good.code == 0, good.err
    assert "security: buttons: the app token works" in good.out
    assert people.opened == 0, "nothing is listened to"

    people.refuse = "missing_scope"
    bad = auditor("sinks", "test", "security", "-c", path, cwd=tmp_path)
    assert bad.code == 1
    assert "slack confirmed the test message" in bad.out
    assert "security: buttons: Slack refused the app token: missing_scope" in bad.err
    assert "scope connections:write" in bad.err
    assert APP_TOKEN not in good.out + good.err + bad.out + bad.err


def test_the_doctor_tries_the_app_token(server: Server, people: Interactive, tmp_path: Path) -> None:
    people.refuse = "invalid_auth"
    with served(small()) as (address, _):
        path = configured(tmp_path, address, sinks={"security": settings(server.address)})
        checked = auditor("doctor", "-o", "json", "-c", path, cwd=tmp_path)
    (line,) = [each for each in checked.document["checks"] if "buttons" in each["text"]]
    assert (line["check"], line["result"]) == ("sink security", "fail")
    assert "app-level token" in line["next"]
    assert checked.code == 2
    assert not server.slack.messages


async def test_a_sink_without_buttons_has_no_token_to_try(server: Server, people: Interactive) -> None:
    assert await surroundings.buttons(build("security", by_token(server.address))) is None
    assert await surroundings.buttons(build("terminal", {"type": "console"})) is None
    line = await surroundings.buttons(build("security", settings(server.address)))
    assert line is not None
    assert (line.mark, line.text) == (Mark.OK, "buttons: the app token works")


async def test_a_slack_that_cannot_be_reached_is_no_bug(people: Interactive) -> None:
    line = await surroundings.buttons(build("security", settings("http://127.0.0.1:9", timeout=1)))
    assert line is not None
    assert (line.mark, line.exit) == (Mark.FAIL, Exit.CONFIG)
