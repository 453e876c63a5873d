"""`auditor sinks` and `auditor deliveries` as programs: against a fake Slack, real files and a real store."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alerts import ALERT, hostile
from commands import auditor, configured
from slack import Server, by_token, by_webhook

from auditor.alerts.message import AlertKind
from auditor.alerts.outgoing import queue
from auditor.alerts.registry import build
from auditor.alerts.samples import group, samples
from auditor.errors import ConfigError
from auditor.simulator.slack_workspace import Fault, FaultKind
from auditor.store import leases, outbox
from auditor.store.database import open_store
from auditor.store.outbox import Message

pytest_plugins = ["slackserver"]

API = "http://127.0.0.1:9/v1"
SECRET = "whsec_" + "canary00" * 4


@pytest.fixture
def config(tmp_path: Path, server: Server) -> Path:
    return configured(
        tmp_path,
        API,
        sinks={
            "chat": by_token(server.address),
            "file": {"type": "jsonl", "path": str(tmp_path / "alerts.jsonl")},
            "hook": {"type": "webhook", "url": "https://hooks.example.com/canary", "secret": SECRET},
        },
        routes=[{"match": {"level": "high"}, "to": ["chat"], "continue": True}, {"to": ["chat", "file"]}],
        web={"external_url": "https://auditor.example.com"},
    )


def test_a_sink_that_cannot_be_tried_beforehand_is_listed_with_its_host_and_no_secret(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    urls = {
        "own": "json://ada:canary@hooks.example.com:8080/canary",
        "mail": "mailto://ada:canary@example.com?smtp=smtp.example.com",
        "bot": "tgram://123456789:canary_canary_canary_canary_canary/12315544/",
    }
    sinks: dict[str, dict[str, Any]] = {name: {"type": "apprise", "url": url} for name, url in urls.items()}
    sinks["log"] = {"type": "syslog", "host": "logs.example.com", "transport": "udp"}
    config = configured(tmp_path, API, sinks=sinks)
    done = auditor("sinks", "list", "-o", "json", cwd=config.parent)
    assert {each["name"]: each["address"] for each in done.document} == {
        "own": "hooks.example.com:8080",
        "mail": "smtp.example.com:25",
        "bot": "Telegram",
        "log": "logs.example.com:514",
    }
    table = auditor("sinks", "list", cwd=config.parent).out
    assert "this machine" not in table
    assert not any(secret in table + done.out for secret in ("canary", "123456789"))


def test_sinks_are_listed_with_where_they_lead_and_what_they_get(config: Path, server: Server) -> None:
    done = auditor("sinks", "list", "-o", "json", cwd=config.parent)
    assert done.code == 0
    place = server.address.removeprefix("http://")
    gets = {"rest": False, "notices": False, "fault": None}
    assert done.document == [
        {"name": "chat", "type": "slack", "address": place, "routes": [1, 2], **gets},
        {"name": "file", "type": "jsonl", "address": "", "routes": [2], **gets},
        {"name": "hook", "type": "webhook", "address": "hooks.example.com:443", "routes": [], **gets},
    ]
    table = auditor("sinks", "list", cwd=config.parent).out
    for word in ("hooks.example.com:443", "this machine", "routes 1, 2", "nothing but notices"):
        assert word in table
    assert "canary" not in table


def test_a_sink_that_cannot_be_used_is_listed_with_its_fault(tmp_path: Path) -> None:
    configured(tmp_path, API, sinks={"a": {"type": "slak"}, "b": {"type": "console"}})
    done = auditor("sinks", "list", "-o", "json", cwd=tmp_path)
    assert done.code == 2
    faulty, good = done.document
    assert "did you mean `slack`?" in faulty["fault"]
    assert (good["fault"], good["routes"], good["rest"]) == (None, [], True)


FAULTY = """\
organizations: {acme: {admin_key: sk-admin-none}}
sinks:
  mail:
    type: email
    hots: mail.example.com
    storm: {mesages: 3}
  log: {type: syslog, host: log.example.com, allow_private: maybe, transport: tcpp}
"""
FAULTS = [
    "6:13: unknown key `sinks.mail.storm.mesages` (did you mean `messages`?)",
    "3:3: `sinks.mail.host` is missing",
    "3:3: `sinks.mail.sender` is missing",
    "3:3: `sinks.mail.to` is missing",
    "5:5: unknown key `sinks.mail.hots` (did you mean `host`?)",
    "7:46: `sinks.log.allow_private`: must be true, or networks like [10.0.0.0/8] (10.0.0.1/8 is none)",
    "7:68: `sinks.log.transport`: no such value (did you mean `tcp`?)",
]


def test_each_fault_of_a_sink_is_a_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "auditor.yaml").write_text(FAULTY)
    told = [f"auditor.yaml:{fault}" for fault in FAULTS]
    assert auditor("check", cwd=tmp_path).err.splitlines() == [f"error: {line}" for line in told]
    listed = auditor("sinks", "list", cwd=tmp_path, env={"COLUMNS": "200"})
    assert listed.code == 2
    assert [line for line in told if not any(line in row for row in listed.out.splitlines())] == []
    assert "\ufffd" not in listed.out
    mail, log = auditor("sinks", "list", "-o", "json", cwd=tmp_path).document
    assert (mail["fault"].splitlines(), log["fault"].splitlines()) == (told[:5], told[5:])
    assert auditor("sinks", "test", "log", cwd=tmp_path).err.splitlines() == [f"error: {line}" for line in told[5:]]


def test_one_network_may_stand_without_brackets() -> None:
    alone, listed = (
        build("log", {"type": "syslog", "host": "log.example.com", "allow_private": networks}).config
        for networks in ("10.0.0.0/8", ["10.0.0.0/8"])
    )
    assert alone == listed


def test_operators_and_the_sinks_of_the_root_are_named(tmp_path: Path) -> None:
    sinks = {name: {"type": "console"} for name in ("first", "rest", "ops", "none")}
    routes = [{"match": {"level": "high"}, "to": ["first"]}]
    configured(tmp_path, API, sinks=sinks, routes=routes, route={"to": ["rest"]}, operators=["ops"])
    lines = auditor("sinks", "list", cwd=tmp_path).out.splitlines()
    gets = {line.split()[0]: line.split("machine")[1].strip() for line in lines if "machine" in line}
    assert gets == {"first": "route 1", "rest": "what no route takes", "ops": "notices", "none": "nothing"}


def test_without_routes_every_sink_gets_everything(tmp_path: Path) -> None:
    configured(tmp_path, API, sinks={"one": {"type": "console"}})
    assert "everything" in auditor("sinks", "list", cwd=tmp_path).out


def test_a_test_message_is_confirmed_or_the_command_fails(config: Path, server: Server) -> None:
    done = auditor("sinks", "test", "chat", "file", cwd=config.parent)
    assert done.code == 0, done.err
    assert "chat: slack confirmed the test message (channel C00000001, ts " in done.out
    assert server.slack.messages[-1].text.endswith("Somebody tries whether messages arrive. Nothing has happened.")
    assert json.loads((config.parent / "alerts.jsonl").read_text())["title"] == "A test message"
    server.slack.fail_next(Fault(FaultKind.REFUSED, error="not_in_channel"))
    done = auditor("sinks", "test", "chat", cwd=config.parent)
    assert done.code == 1
    assert done.err.splitlines() == [
        "chat: not confirmed: Slack refused the message: not_in_channel",
        " hint: invite the bot to the channel: /invite @auditor",
    ]


@pytest.mark.parametrize("verb", [("run",), ("check",), ("sinks", "test", "chat")])
def test_a_token_that_was_pasted_where_its_file_belongs_is_shown_nowhere(verb: tuple[str, ...], tmp_path: Path) -> None:
    token = "xoxb-canary"
    configured(tmp_path, API, sinks={"chat": {"type": "slack", "channel": "#a", "token_file": token}})
    done = auditor(*verb, cwd=tmp_path)
    assert done.code == 2
    assert "cannot read the secret file" in done.err
    assert "canary" not in done.out + done.err


def test_a_token_that_was_pasted_into_the_command_line_is_not_repeated(config: Path) -> None:
    for typed in (("xoxb-canary",), ("sinks", "test", "chat", "--owner=x", "--xoxb-canary")):
        done = auditor(*typed, cwd=config.parent)
        assert done.code == 2
        assert "[secret]" in done.err
        assert "canary" not in done.err


def test_an_unknown_sink_names_the_nearest(config: Path) -> None:
    for verb in ("test", "preview"):
        done = auditor("sinks", verb, "chta", cwd=config.parent)
        assert (done.code, "did you mean `chat`?" in done.err) == (2, True)


@pytest.mark.parametrize("kind", AlertKind)
def test_a_preview_of_each_kind_sends_nothing_and_shows_no_secret(kind: AlertKind) -> None:
    alert = samples("acme", 1_767_225_600, "https://auditor.example.com")[kind.value]
    assert alert.kind is kind
    hook = build("hook", {"type": "webhook", "url": "https://hooks.example.com/canary", "secret": SECRET})
    shown = hook.preview(alert)
    assert json.loads(shown)["data"]["title"] == alert.title
    assert "canary" not in shown


def test_a_preview_of_a_group_shows_what_stands_of_all_of_it(config: Path) -> None:
    kept = auditor("sinks", "preview", "chat", "--kind", "group", cwd=config.parent)
    assert kept.code == 0, kept.err
    assert "1 open, 1 resolved" in kept.document["blocks"][0]["text"]["text"]
    digest = auditor("sinks", "preview", "hook", "--kind", "group", cwd=config.parent)
    lines = digest.document["data"]["lines"]
    assert [line["resource"] for line in lines] == ["ci-bot", "deploy-bot", "ci-bot"]
    assert [f"{line['resource']} of " in line["message"] for line in lines] == [True] * 3


def test_a_group_of_samples_happened_until_now() -> None:
    told = group("acme", 1_767_225_600, "https://auditor.example.com")
    assert [alert.at for alert in told] == [1_767_222_000, 1_767_222_000, 1_767_225_600]
    assert [alert.link.rpartition("/")[2] for alert in told] == [alert.finding for alert in told]
    assert len({alert.id for alert in told}) == 3


def test_a_preview_of_a_digest_names_ids_beside_names() -> None:
    digest = samples("acme", 1_767_225_600)[AlertKind.DIGEST.value]
    shown = build("out", {"type": "console"}).preview(digest)
    assert "ci-bot (key_1): last used" in shown
    assert "the whole organization: the allowlist is off" in shown


def test_the_list_of_commands_tells_each_in_a_whole_sentence(config: Path) -> None:
    shown = auditor("sinks", "--help", cwd=config.parent)
    assert "Show what a sink would send.\n" in shown.out
    assert "..." not in shown.out.partition("Commands:")[2]


@pytest.mark.parametrize("kind", ["opened", "group"])
def test_a_preview_is_shown_where_the_files_of_the_server_are_missing(kind: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "canary" / "secret")
    sinks: dict[str, dict[str, Any]] = {
        "chat": {"type": "slack", "channel": "#a", "token_file": missing, "app_token_file": missing, "deciders": "U01"},
        "file": {"type": "jsonl", "path": missing},
        "hook": {"type": "webhook", "url_file": missing, "secret_file": missing, "ca_file": missing},
    }
    configured(tmp_path, API, sinks=sinks)
    for name in sinks:
        done = auditor("sinks", "preview", name, "--kind", kind, cwd=tmp_path)
        assert (done.code, bool(done.document)) == (0, True), done.err
        assert "canary" not in done.out + done.err
        assert auditor("sinks", "test", name, cwd=tmp_path).code == 2
    assert "auditor.waive" in auditor("sinks", "preview", "chat", "--kind", kind, cwd=tmp_path).out


def test_the_command_shows_what_would_go_out(config: Path, server: Server) -> None:
    before = len(server.slack.calls)
    done = auditor("sinks", "preview", "hook", "--kind", "resolved", cwd=config.parent)
    assert done.code == 0, done.err
    assert done.document["data"]["link"] == "https://auditor.example.com/findings/5a3b1e"
    assert done.document["type"] == "finding.resolved"
    assert auditor("sinks", "preview", "chat", cwd=config.parent).document["blocks"]
    assert len(server.slack.calls) == before
    assert not (config.parent / "alerts.jsonl").exists()


TEMPLATES = {
    ("{{ level }} {{ title }}", ""): ("high Project API key unused for 90 days", ALERT.text),
    ("", "{{ resource.name }} ({{ resource.id }}) by {{ facts.who }}"): (
        ALERT.title,
        "ci-bot (key_1) by ada@example.com",
    ),
    ("{{ title }} {{ at | date }}", "{{ facts.what | default('nothing') }}"): (
        "Project API key unused for 90 days 2026-01-01",
        "nothing",
    ),
    ("{% if level == 'high' %}!{% endif %}", "{{ findings }} of {{ organization }}"): ("!", "0 of acme"),
}


def test_a_preview_of_a_group_says_which_template_does_not_hold_for_it(config: Path) -> None:
    settings = json.loads(config.read_text())
    settings["sinks"]["chat"]["templates"] = {"title": "TPL", "text": "TXT"}
    config.write_text(json.dumps(settings))
    shown = auditor("sinks", "preview", "chat", "--kind", "group", cwd=config.parent)
    assert shown.document["text"].endswith(": TPL")
    assert "note: findings keep their own text where they share a message" in shown.err
    assert "note:" not in auditor("sinks", "preview", "chat", cwd=config.parent).err


@pytest.mark.parametrize(("title", "text"), TEMPLATES)
def test_a_template_says_it_in_other_words(title: str, text: str, tmp_path: Path) -> None:
    raw = {"type": "jsonl", "path": str(tmp_path / "x"), "templates": {"title": title, "text": text}}
    told = json.loads(build("file", raw).preview(ALERT))
    assert (told["title"], told["text"]) == TEMPLATES[title, text]
    assert told["id"] == ALERT.id


def test_a_template_knows_whose_it_is_and_what_routes_match() -> None:
    text = "{{ owner }}, {{ project }}: {{ tags }}; {{ teams }}{% if kind == 'digest' %} of many{% endif %}"
    sink = build("out", {"type": "jsonl", "path": "x", "templates": {"text": text}})
    owned = replace(ALERT, owner="ada@example.com", project="proj_1", tags=("a.b", "c"), teams=("core", "web"))
    told = [replace(owned, project_name="payments"), owned, replace(ALERT, kind=AlertKind.DIGEST)]
    assert [json.loads(sink.preview(alert))["text"] for alert in told] == [
        "ada@example.com, payments: a.b, c; core, web",
        "ada@example.com, proj_1: a.b, c; core, web",
        ", : ; of many",
    ]


@pytest.mark.parametrize("kind", [each for each in AlertKind if each is not AlertKind.EVENT])
def test_the_templates_of_the_readme_hold_for_every_kind(kind: AlertKind) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    _, _, after = readme.partition("    templates:\n")
    lines = dict(line.strip().split(": ", 1) for line in after.splitlines()[:2])
    templates = {name: json.loads(text) for name, text in lines.items()}
    assert set(templates) == {"title", "text"}
    sink = build("out", {"type": "jsonl", "path": "x", "templates": templates})
    alert = samples("acme", 1_767_225_600, "https://auditor.example.com")[kind.value]
    for owner, begins in (("", ""), ("ada@example.com", "ada@example.com: ")):
        told = json.loads(sink.preview(replace(alert, owner=owner)))
        assert (told["title"], told["text"]) == (f"[acme] {alert.title}", f"{begins}{alert.text}".strip())


def test_the_template_of_the_readme_cuts_no_text() -> None:
    text = " ".join(f"word{number}" for number in range(500))
    templates = {"text": "{% if owner %}{{ owner }}: {% endif %}{{ text }}"}
    sink = build("out", {"type": "jsonl", "path": "x", "templates": templates})
    assert json.loads(sink.preview(replace(ALERT, text=text)))["text"] == text
    cut = json.loads(sink.preview(replace(ALERT, text="x" * 5000)))["text"]
    assert (len(cut), cut[-1]) == (4000, "…")


BAD_TEMPLATES = {
    "{{ tilte }}": "no field is named `tilte`; did you mean `title`?",
    "{{ title.__class__ }}": "no field is named `title.__class__`",
    "{{ ''.join(title) }}": "names fields and filters, and computes nothing",
    "{% for x in title %}{{ x }}{% endfor %}": "computes nothing",
    "{% include '/etc/passwd' %}": "computes nothing",
    "{{ cycler.__init__.__globals__ }}": "no field is named",
    "{{ title": "cannot be read",
    "{{ 'a' * 10000000000 }}": "computes nothing",
}


@pytest.mark.parametrize("template", BAD_TEMPLATES)
def test_a_template_that_does_more_than_name_fields_is_refused(template: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build("out", {"type": "console", "templates": {"text": template}})
    assert BAD_TEMPLATES[template] in caught.value.message
    assert "sinks.out.templates.text" in caught.value.message


def test_what_a_member_wrote_is_never_a_template(tmp_path: Path) -> None:
    raw = {"type": "jsonl", "path": str(tmp_path / "x"), "templates": {"text": "{{ resource.name }}"}}
    told = json.loads(build("file", raw).preview(hostile("a template")))
    assert told["text"].startswith("{{ 7 * 7 }}{% for x in y %}")


@pytest.fixture
def queued(config: Path) -> Path:
    """A store with a message of each state, and one that holds a secret and an escape code."""
    store = open_store(f"sqlite:///{config.parent}/auditor.db")
    now = int(time.time())
    with store.transaction() as tx:
        for number, name in enumerate(("owed", "taken", "lost", "tried", "held", "over")):
            queue(
                tx, replace(ALERT, id=name, title=f"Title of {name}", finding=str(number)), ["chat"], now - 60 + number
            )
        queue(tx, replace(hostile("terminal escapes"), id="hostile", finding="9"), ["hook"], now)
        outbox.add(tx, [Message("broken", "acme", "hook", b"{", now, now)])
    with store.transaction() as tx:
        leased = {each.message.id: each for each in leases.lease(tx, ["chat"], "test", 60, 10)}
        outbox.settle(tx, leased["taken"], {"ts": "1.0"})
        outbox.bury(tx, leased["lost"], "Slack answered 400")
        outbox.suppress(tx, leased["held"], "silence 1 by ada: moving", final=False)
        outbox.suppress(tx, leased["over"], "what it ends was never told", final=True)
        outbox.postpone(tx, leased["tried"], 900, "Slack: no answer in time, token xoxb-canary123456")
    store.close()
    return config.parent


def listed(folder: Path, *more: str) -> list[dict[str, Any]]:
    done = auditor("deliveries", "-o", "json", *more, cwd=folder)
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = done.document
    return found


def test_deliveries_are_those_that_are_owed_or_given_up(queued: Path) -> None:
    found = {each["id"]: each for each in listed(queued)}
    assert set(found) == {"owed", "lost", "tried", "hostile", "broken"}
    assert (found["lost"]["state"], found["lost"]["error"]) == ("dead", "Slack answered 400")
    assert found["lost"]["settled_at"]
    assert (found["tried"]["state"], found["tried"]["attempts"]) == ("pending", 1)
    assert "canary" not in json.dumps(found)
    assert found["owed"]["title"] == "Title of owed"
    assert found["broken"]["title"] == "(unreadable)"


def test_deliveries_are_chosen_by_state_sink_organization_and_number(queued: Path) -> None:
    assert [each["id"] for each in listed(queued, "--state", "delivered")] == ["taken"]
    assert [each["id"] for each in listed(queued, "--state", "suppressed")] == ["over", "held"]
    assert len(listed(queued, "--state", "all")) == 8
    assert {each["id"] for each in listed(queued, "--sink", "hook")} == {"hostile", "broken"}
    assert len(listed(queued, "--limit", "2")) == 2


@pytest.mark.parametrize(
    ("asked", "hint"),
    [(("--sink", "chta"), "did you mean `chat`?"), (("--organization", "acne"), "did you mean `acme`?")],
)
def test_deliveries_of_what_there_is_not_are_refused(queued: Path, asked: tuple[str, str], hint: str) -> None:
    done = auditor("deliveries", *asked, cwd=queued)
    assert (done.code, done.out) == (2, "")
    named = f"error: no {asked[0].removeprefix('--')} is named `{asked[1]}`"
    assert done.err.splitlines() == [named, f" hint: {hint}"]


def test_deliveries_of_what_was_removed_are_listed_as_long_as_there_are_any(queued: Path) -> None:
    configured(queued, API, sinks={"file": {"type": "console"}}, organizations={"other": {"admin_key": "sk-admin-x"}})
    assert {each["id"] for each in listed(queued, "--sink", "hook", "--organization", "acme")} == {"hostile", "broken"}
    assert listed(queued, "--sink", "file/events", "--organization", "other") == []


def test_the_table_of_deliveries_says_what_happened_and_drives_no_terminal(queued: Path) -> None:
    table = auditor("deliveries", "--state", "all", cwd=queued).out
    for words in ("given up", "Slack answered 400", "confirmed", "no answer in time", "Title of owed"):
        assert words in table
    for words in ("held back: silence 1 by ada", "held back for good: what it"):
        assert words in " ".join(table.split())
    assert "\x1b" not in table
    assert "\x07" not in table


def test_no_messages_is_said(tmp_path: Path) -> None:
    configured(tmp_path, API, sinks={"hook": by_webhook("http://127.0.0.1:9")})
    open_store(f"sqlite:///{tmp_path}/auditor.db").close()
    assert auditor("deliveries", cwd=tmp_path).out == "no messages\n"


def test_what_was_given_up_is_owed_again_as_if_it_was_new(queued: Path) -> None:
    done = auditor("deliveries", "retry", "lost", "-o", "json", cwd=queued)
    assert done.code == 0, done.err
    (lost,) = done.document
    assert (lost["id"], lost["state"], lost["attempts"], lost["overtaken"]) == ("lost", "pending", 0, False)
    assert (lost["settled_at"], lost["error"]) == (None, "")
    assert lost["queued_at"] > next(each["queued_at"] for each in listed(queued) if each["id"] == "owed")
    assert auditor("deliveries", "retry", "--all", cwd=queued).out == "no messages\n"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["nobody"], "`auditor deliveries` names them"),
        (["taken"], "no message that was given up is named `taken`"),
        (["lost", "--sink", "hook"], "no message that was given up is named `lost`"),
        (["--sink", "chad"], "did you mean `chat`?"),
        ([], "--sink NAME or --all"),
        (["--all", "--sink", "chat"], "--sink NAME or --all"),
    ],
)
def test_what_cannot_be_retried_is_refused_and_nothing_is_changed(queued: Path, asked: list[str], words: str) -> None:
    done = auditor("deliveries", "retry", *asked, cwd=queued)
    assert done.code == 2
    assert words in done.err
    assert [each["id"] for each in listed(queued, "--state", "dead")] == ["lost"]


def test_what_was_overtaken_stays_given_up(queued: Path) -> None:
    store = open_store(f"sqlite:///{queued}/auditor.db")
    with store.transaction() as tx:
        queue(tx, replace(ALERT, id="newer", finding="2"), ["chat"], int(time.time()))
    with store.transaction() as tx:
        (newer,) = (each for each in leases.lease(tx, ["chat"], "test", 60, 10) if each.message.id == "newer")
    done = auditor("deliveries", "retry", "lost", cwd=queued)
    assert (done.code, "1 message overtaken" in done.out) == (1, True), "the newer one is on its way"
    with store.transaction() as tx:
        outbox.settle(tx, newer, {})
    store.close()
    done = auditor("deliveries", "retry", "--sink", "chat", "-o", "json", cwd=queued)
    assert (done.code, [(each["id"], each["state"], each["overtaken"]) for each in done.document]) == (
        0,
        [("lost", "dead", True)],
    )
