"""Every command without an organization behind it: help, faults, policies, findings, reports, and what is imported."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from commands import KEY, Ended, auditor, configured, unread
from organization import served, small

from auditor import __version__
from auditor.cli import COMMANDS, call
from auditor.shipped import directory
from auditor.store.database import open_store
from auditor.terms import Level

NOWHERE = "http://127.0.0.1:9/v1"

HEAVY = (
    "sqlalchemy",
    "alembic",
    "slack_sdk",
    "sigma",
    "uvicorn",
    "starlette",
    "httpx",
    "pydantic",
    "rich",
    "apscheduler",
)

POLICY = """\
title: A key with a name
name: key-named
resource: project_api_key
level: low
description: A policy of a test.
detection: {named: {name: ingest}, condition: named}
message: "{{ name }}"
remediation: None.
examples:
  - {name: named, now: 2026-01-01T00:00:00Z, expect: fail, resource: {name: ingest}}
  - {name: other, now: 2026-01-01T00:00:00Z, expect: pass, resource: {name: other}}
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and the store of one pass."""
    folder = tmp_path_factory.mktemp("audited")
    with served(small()) as (address, _):
        assert auditor("check", "-c", configured(folder, address), cwd=folder).code == 3
    return folder


def faults(done: Ended) -> list[str]:
    """The faults that a command told, and that it told nothing else."""
    assert done.code == 2, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    return done.err.splitlines()


ORGANIZATION = f"organizations: {{acme: {{admin_key: {KEY}, base_url: '{NOWHERE}'}}}}\n"

FAULTS = {
    "unknown key": (ORGANIZATION + "sotre: x\n", ":2:", "did you mean `store`"),
    "unknown nested key": (ORGANIZATION + "schedule:\n  snapshots: 5m\n", ":3:", "did you mean `snapshot`"),
    "wrong type": (ORGANIZATION + "schedule:\n  snapshot: soon\n", ":3:", "must be a duration like 30s"),
    "missing secret": (
        "organizations:\n  acme:\n    base_url: https://api.example.com/v1\n",
        ":2:",
        "set admin_key_file",
    ),
    "secret file": ("organizations:\n  acme:\n    admin_key_file: ./none\n", ":2:", "check the path"),
    "unknown sink type": (ORGANIZATION + "sinks:\n  chat: {type: slak}\n", ":3:", "slack"),
    "route to nowhere": (
        ORGANIZATION + "sinks:\n  chat: {type: console}\nroutes:\n  - {to: [caht]}\n",
        ":5:",
        "did you mean `chat`",
    ),
    "duplicate keys": (ORGANIZATION + "store: sqlite:///a.db\nstore: sqlite:///b.db\n", ":3:", "store"),
    "missing policy path": (ORGANIZATION + "policies:\n  paths: [./none]\n", ":3:", "relative to this file"),
    "broken policy": (ORGANIZATION + "policies:\n  paths: [./broken]\n", "broken.yaml:3:", "did you mean"),
    "clear text": ("organizations:\n  acme:\n    base_url: http://api.example.com\n", ":3:", "https"),
    "cron": (ORGANIZATION + "schedule:\n  weekly_report: 0 8 * *\n", ":3:", "cron"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_message_with_place_and_hint_and_no_database(tmp_path: Path, name: str) -> None:
    text, place, hint = FAULTS[name]
    (tmp_path / "auditor.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "broken").mkdir()
    broken = POLICY.replace("resource: project_api_key", "resource: project_api_kye").replace("key-named", "broken")
    (tmp_path / "broken" / "broken.yaml").write_text(broken, encoding="utf-8")

    lines = faults(auditor("check", cwd=tmp_path))

    assert lines[0].startswith("error: ")
    assert place in lines[0]
    assert hint in "\n".join(lines)
    assert len(lines) <= 2
    assert KEY not in "\n".join(lines)
    assert not list(tmp_path.glob("*.db*"))


def test_a_missing_configuration_says_how_to_make_one(tmp_path: Path) -> None:
    lines = faults(auditor("check", "-c", "none.yaml", cwd=tmp_path))

    assert lines[0].startswith("error: cannot read the configuration none.yaml")
    assert "auditor init" in lines[1]


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = {
        "policies": ("list", "show", "controls", "validate", "test"),
        "findings": ("list", "show", "ack"),
        "waivers": ("list", "add", "expire", "lint"),
    }
    nested = [(name, each) for name, some in verbs.items() for each in some]
    lines = [(), *((name,) for name in COMMANDS), *nested]
    helps = {}
    for line in lines:
        assert call([*line, "--help"]) == 0, line
        helps[line], errors = capsys.readouterr()
        assert errors == "", line
        assert helps[line].startswith(f"Usage: auditor {' '.join(line)}".rstrip())
    assert all(name in helps[()] for name in COMMANDS)
    options = {
        ("demo",): ("--once", "--seed", "--output", "--port"),
        ("simulate",): ("--port", "--seed", "--size", "--key", "--scenario"),
        ("check",): ("--config", "--output", "--fail-on", "--strict"),
        ("report",): ("--output",),
    }
    for line, names in options.items():
        assert all(name in helps[line] for name in names), line


def test_the_version_is_told(tmp_path: Path) -> None:
    assert auditor("--version", cwd=tmp_path).out == f"auditor, version {__version__}\n"


@pytest.mark.parametrize(("typed", "meant"), [(("chekc",), "check"), (("policies", "lst"), "list")])
def test_an_unknown_command_is_told_what_is_close(tmp_path: Path, typed: tuple[str, ...], meant: str) -> None:
    done = auditor(*typed, cwd=tmp_path)

    assert (done.code, done.out) == (2, "")
    assert meant in done.err.splitlines()[-1]


IMPORTED = {
    "help": ((("--help",), ("--version",), ("chekc",)), set()),
    "help of check": ((("check", "--help"),), set()),
    "help of policies": ((("policies", "--help"),), {"sigma", "pydantic", "rich"}),
    "policies": ((("policies", "validate"), ("policies", "list")), {"sigma", "pydantic", "rich"}),
}
"""Command lines, and those of HEAVY that they need."""


@pytest.mark.parametrize("name", IMPORTED)
def test_what_a_command_does_not_need_is_not_imported(tmp_path: Path, name: str) -> None:
    lines, needed = IMPORTED[name]
    program = (
        "import sys\nfrom auditor.cli import call\n"
        f"print([call(line) for line in {lines!r}], file=sys.stderr)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )

    codes, imported = done.stderr.splitlines()[-2:]
    assert set(json.loads(codes)) <= {0, 2}
    assert set(ast.literal_eval(imported)) <= needed


@pytest.mark.parametrize("form", ["json", "table"])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, form: str) -> None:
    assert unread("policies", "list", "-o", form, cwd=tmp_path) == (141, b"")


@pytest.mark.parametrize(("name", "file"), [("acme", "key"), ("a1", "a key: #1"), ("null", "none/[x]"), ("b_c", "-")])
def test_a_starter_configuration_loads_and_keeps_its_names(tmp_path: Path, name: str, file: str) -> None:
    done = auditor("init", "--organization", name, "--admin-key-file", file, cwd=tmp_path)

    assert (done.code, done.err) == (0, "")
    written = yaml.safe_load((tmp_path / "auditor.yaml").read_text(encoding="utf-8"))
    assert written["organizations"] == {name: {"admin_key_file": file}}
    assert "are sound" in auditor("policies", "validate", cwd=tmp_path).out


def test_a_starter_configuration_takes_the_key_from_the_environment(tmp_path: Path) -> None:
    assert auditor("init", cwd=tmp_path).code == 0
    with served(small(), keys={KEY}) as (address, _):
        env = {"OPENAI_ADMIN_KEY": KEY, "AUDITOR_ORGANIZATIONS__ACME__BASE_URL": address}
        assert auditor("check", cwd=tmp_path, env=env).code == 3


def test_a_starter_configuration_replaces_nothing_and_names_no_nonsense(tmp_path: Path) -> None:
    (tmp_path / "auditor.yaml").write_text("mine", encoding="utf-8")

    assert "--force" in faults(auditor("init", cwd=tmp_path))[1]
    for name in ("a: b", "Acme", "a-b", "42", "a__b"):
        refused = faults(auditor("init", "--organization", name, "--output", "new.yaml", cwd=tmp_path))
        assert "lower-case letter" in refused[1]
    assert "--output" in faults(auditor("init", "--output", "auditor.yaml/x", cwd=tmp_path))[1]
    assert (tmp_path / "auditor.yaml").read_text(encoding="utf-8") == "mine"
    assert auditor("init", "--force", cwd=tmp_path).code == 0


def test_the_shipped_policies_are_listed_worst_first(tmp_path: Path) -> None:
    table = auditor("policies", "list", cwd=tmp_path)
    rows = auditor("policies", "list", "-o", "json", cwd=tmp_path).document

    assert (table.code, table.err) == (0, "")
    assert "\x1b" not in table.out
    assert len(rows) >= 15
    assert all(row["name"] in table.out for row in rows)
    ranks = [Level(row["level"]).rank for row in rows]
    assert ranks == sorted(ranks, reverse=True)


def test_a_policy_is_shown_ready_to_read(tmp_path: Path) -> None:
    shown = auditor("policies", "show", "project-key-stale", cwd=tmp_path)

    assert (shown.code, shown.err) == (0, "")
    assert "90" in shown.out
    assert "no policy is named" in faults(auditor("policies", "show", "none", cwd=tmp_path))[0]


def test_policies_are_validated_and_tested_by_path(tmp_path: Path) -> None:
    file = tmp_path / "key-named.yaml"
    file.write_text(POLICY, encoding="utf-8")

    assert auditor("policies", "validate", file, cwd=tmp_path).out == "1 policy is sound\n"
    said = "2 of 2 examples of 1 policy hold\n1 of 1 selections match in an example\n"
    assert auditor("policies", "test", file, cwd=tmp_path).out == said
    assert json.loads(auditor("policies", "list", "-o", "json", file, cwd=tmp_path).out)[0]["name"] == "key-named"

    file.write_text(POLICY.replace("resource: {name: other}", "resource: {name: ingest}"), encoding="utf-8")
    failed = auditor("policies", "test", file, cwd=tmp_path)
    assert (failed.code, failed.out) == (2, said.replace("2 of", "1 of", 1))
    assert "key-named" in failed.err
    assert "other" in failed.err


WARNED = """\
title: Somebody did something
name: somebody
logsource: {product: openai, service: audit}
detection: {some: {no.such.field: 1}, condition: some}
level: low
falsepositive: none
"""


def test_a_path_that_is_not_there_is_told_where_it_was_looked_for(tmp_path: Path) -> None:
    done = auditor("policies", "validate", "gone.yaml", cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("error: no policies at gone.yaml: there is no such file or directory\n")
    assert f"it is looked for in {tmp_path}" in done.err
    assert "policies.paths" not in done.err
    assert auditor("policies", "validate", "builtin:openai", cwd=tmp_path).code == 0


def test_what_looks_like_a_mistake_in_a_rule_is_said_and_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "somebody.yaml"
    file.write_text(WARNED, encoding="utf-8")

    for verb in ("validate", "test"):
        done = auditor("policies", verb, file, cwd=tmp_path)
        assert done.code == 0, done.err
        assert done.out
        assert done.err.startswith("warning: ")
        assert "somebody.yaml" in done.err


def test_the_shipped_examples_hold(tmp_path: Path) -> None:
    done = auditor("policies", "test", directory("policies") / "openai", cwd=tmp_path)

    assert (done.code, done.err) == (0, "")


def test_policies_of_the_configuration_are_found_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "mine").mkdir(parents=True)
    (place / "mine" / "key-named.yaml").write_text(POLICY, encoding="utf-8")
    config = configured(place, NOWHERE, policies={"paths": ["./mine"], "overrides": {"key-named": {"level": "high"}}})

    (row,) = auditor("policies", "list", "-c", config, "-o", "json", cwd=tmp_path).document

    assert (row["name"], row["level"]) == ("key-named", "high")


def test_findings_are_listed_worst_first_and_filtered(audited: Path) -> None:
    found = auditor("findings", "list", "-o", "json", cwd=audited).document
    stale = auditor("findings", "list", "--policy", "project-key-stale", "-o", "json", cwd=audited).document
    high = auditor("findings", "list", "--level", "high", "-o", "json", cwd=audited).document
    table = auditor("findings", "list", cwd=audited)

    ranks = [Level(each["level"]).rank for each in found]
    assert ranks == sorted(ranks, reverse=True)
    assert {"id", "policy", "level", "state", "resource", "message", "opened_at"} <= found[0].keys()
    assert {each["policy"] for each in stale} == {"project-key-stale"}
    assert {each["level"] for each in high} == {"high"}
    assert (table.code, table.err) == (0, "")
    assert "\x1b" not in table.out
    assert all(each["id"] in table.out for each in found)
    assert auditor("findings", cwd=audited).out == table.out
    assert auditor("findings", "-o", "json", "--level", "high", cwd=audited).document == high


def test_findings_of_an_organization_that_left_the_configuration_are_told_and_not_mixed_in(audited: Path) -> None:
    config = audited / "other.yaml"
    settings = json.loads((audited / "auditor.yaml").read_text(encoding="utf-8"))
    settings["organizations"] = {"other": settings["organizations"]["acme"]}
    config.write_text(json.dumps(settings), encoding="utf-8")

    mine = auditor("findings", "list", "-c", config, "-o", "json", cwd=audited)
    theirs = auditor("findings", "list", "-c", config, "--organization", "acme", "-o", "json", cwd=audited)

    assert (mine.code, mine.document) == (0, [])
    assert f"{len(theirs.document)} findings of acme" in mine.err
    assert (theirs.code, theirs.err) == (0, "")


@pytest.mark.parametrize(
    ("option", "typed", "meant"),
    [("--organization", "acmee", "`acme`"), ("--policy", "project-key-stal", "`project-key-stale`")],
)
def test_a_name_that_nobody_knows_is_no_empty_list(audited: Path, option: str, typed: str, meant: str) -> None:
    lines = faults(auditor("findings", "list", option, typed, cwd=audited))

    assert typed in lines[0]
    assert f"did you mean {meant}?" in lines[1]


def test_a_demo_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")

    lines = faults(auditor("demo", "--once", "--output", "file/demo", cwd=tmp_path))

    assert lines[0].startswith("error: cannot write to ")
    assert "--output" in lines[1]


def test_a_demo_keeps_its_configuration_and_its_messages_private(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "auditor.yaml").write_text("of an earlier demo", encoding="utf-8")

    assert auditor("demo", "--once", cwd=tmp_path).code == 0

    for name in ("auditor.yaml", "slack.jsonl"):
        file = tmp_path / "demo" / name
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.stat().st_size > 0


ASKING = {
    "findings": ["findings", "list"],
    "finding": ["findings", "show", "key_1"],
    "events": ["events", "list"],
    "coverage": ["events", "coverage"],
    "changes": ["changes"],
    "settings": ["settings"],
    "deliveries": ["deliveries", "list"],
    "report": ["report", "--output", "report.html"],
    "backtest": ["policies", "backtest", "project-key-stale"],
    "explain": ["policies", "explain", "project-key-stale", "--resource", "key_1"],
    "new": ["policies", "new", "mine", "--resource", "user", "--id", "user_1"],
    "acknowledge": ["findings", "ack", "finding_1", "--comment", "known"],
    "retry": ["deliveries", "retry", "--all"],
    "waive": ["waivers", "add", "--policy", "key-*", "--reason", "known", "--owner", "ada", "--until", "30d"],
    "waiver": ["waivers", "expire", "waiver_1"],
    "silence": ["silences", "add", "--match", "policy=key-*", "--for", "1h", "--comment", "known"],
    "loud": ["silences", "expire", "silence_1"],
}


@pytest.mark.parametrize("name", ASKING)
def test_a_command_about_what_the_store_holds_makes_none(tmp_path: Path, name: str) -> None:
    config = configured(tmp_path, NOWHERE)
    before = sorted(tmp_path.iterdir())

    done = auditor(*ASKING[name], "-c", config, cwd=tmp_path)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: there is no store yet: {tmp_path}/auditor.db does not exist")
    assert "`auditor check` make it" in done.err
    assert sorted(tmp_path.iterdir()) == before


WAIVED = """
- {id: moves, match: {policy: no-such}, reason: gone soon, owner: ada@example.com, on: 2026-11-01, until: 2026-12-31}
"""


@pytest.mark.parametrize(
    ("arguments", "code", "answer"),
    [
        (("waivers", "list"), 0, "moves"),
        (("waivers", "lint"), 3, "no-such"),
        (("silences", "list"), 0, "no silences"),
        (("routes", "test", "--level", "HIGH"), 0, "chat"),
    ],
)
def test_what_files_answer_needs_no_store(tmp_path: Path, arguments: tuple[str, ...], code: int, answer: str) -> None:
    config = configured(
        tmp_path, NOWHERE, waivers="waivers.yaml", sinks={"chat": {"type": "console"}}, route={"to": "chat"}
    )
    (tmp_path / "waivers.yaml").write_text(WAIVED)
    before = sorted(tmp_path.iterdir())

    done = auditor(*arguments, "-c", config, cwd=tmp_path)

    assert done.code == code
    assert answer in done.out
    assert f"note: there is no store yet ({tmp_path}/auditor.db): this is what the files say" in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_store_without_findings_says_so(tmp_path: Path) -> None:
    config = configured(tmp_path, NOWHERE)
    open_store(f"sqlite:///{tmp_path}/auditor.db").close()

    assert auditor("findings", "list", "-c", config, cwd=tmp_path).out == "no findings\n"
    assert auditor("findings", "list", "-c", config, "-o", "json", cwd=tmp_path).document == []


def test_a_report_is_written_on_request(audited: Path) -> None:
    done = auditor("report", "--output", "out/report.html", cwd=audited)

    assert (done.code, done.err) == (0, "")
    text = (audited / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "project-key-stale" in text
    assert KEY not in text


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    config = configured(tmp_path, NOWHERE)
    open_store(f"sqlite:///{tmp_path}/auditor.db").close()

    done = auditor("report", "-c", config, "--output", "report.html", cwd=tmp_path)

    assert done.code == 1
    assert done.err.startswith("error: the store holds no snapshot of acme")
    assert not (tmp_path / "report.html").exists()


def test_a_store_that_cannot_be_opened_is_told_in_one_message(tmp_path: Path) -> None:
    config = configured(tmp_path, NOWHERE, store=f"sqlite:///{tmp_path}/none/auditor.db")

    done = auditor("check", "-c", config, cwd=tmp_path)

    assert done.code == 1
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
