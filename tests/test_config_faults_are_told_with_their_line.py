"""auditor.yaml: the smallest file works, and whatever is wrong is told with file, line and hint, all at once."""

from pathlib import Path

import pytest

from auditor.assembly import users_of
from auditor.configfile import Loaded, read
from auditor.errors import ConfigError, FaultyFiles
from auditor.terms import Level
from auditor.web.signin import NOBODY

SMALLEST = "organizations:\n  acme:\n    admin_key_file: {key}\n"


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)


def loaded(folder: Path, text: str) -> Loaded:
    (folder / "key").write_text("sk-admin-canary-42\n")
    path = folder / "auditor.yaml"
    path.write_text(text.replace("{key}", str(folder / "key")))
    return read(path)


def test_three_lines_are_a_whole_configuration(tmp_path: Path) -> None:
    found = loaded(tmp_path, SMALLEST)
    assert found.keys["acme"].get_secret_value() == "sk-admin-canary-42"
    assert found.config.schedule.snapshot == 900
    assert found.config.policies.paths == ("builtin:openai",)
    assert found.config.store == "sqlite:///auditor.db"


def test_the_key_shows_up_in_no_text_of_the_configuration(tmp_path: Path) -> None:
    found = loaded(tmp_path, SMALLEST.replace("admin_key_file: {key}", "admin_key: sk-admin-canary-42"))
    assert "canary" not in repr(found.config) + str(found.config) + repr(found.keys)
    assert "canary" not in repr(found) + repr(found.document)


def test_no_secret_of_a_sink_or_of_the_store_shows_up_in_it_either(tmp_path: Path) -> None:
    more = "store: postgresql://u:canary@db.example.com/x\nsinks: {a: {type: slack, token: xoxb-canary, channel: c}}\n"
    found = loaded(tmp_path, SMALLEST + more)
    assert "canary" not in repr(found.config) + str(found.config) + repr(found) + repr(found.document)


FAULTS = {
    "an unknown key": ("schedul: {}", "unknown key `schedul`", "did you mean `schedule`?", 4),
    "an unknown key further in": ("schedule:\n  snapshots: 5m", "unknown key", "did you mean `snapshot`?", 5),
    "a wrong type": ("schedule:\n  snapshot: often", "must be a duration", "", 5),
    "a number where a duration belongs": ("schedule: {snapshot: 15}", "must be a duration", "", 4),
    "a cron line that is none": ("schedule: {weekly_report: monday}", "not a cron line", "", 4),
    "a zone that is none": ("schedule: {timezone: Berlin}", "no such time zone", "", 4),
    "a route to nowhere": ("routes:\n  - {to: [slak]}", "no sink is named `slak`", "", 5),
    "a level that is none": ("routes:\n  - {match: {level: [severe]}, to: [x]}", "level", "", 5),
    "a listener without a port": ("web: {listen: localhost}", "must be HOST:PORT", "", 4),
    "a page for everybody": ("web: {listen: 0.0.0.0:1}", "would read the page without signing in", "web.users", 4),
    "a page for everybody over IPv6": ("web:\n  listen: '[::]:1'", "would read the page", "web.anonymous", 5),
    "a name that no header can hold": ("web: {users: {'a:b': $HASH}}", "no colon", "", 4),
    "a password that is no hash": ("web: {users: {ada: letmein}}", "must be a hash by bcrypt", "", 4),
    "a hash of another salt": (f"web: {{users: {{ada: $2b$12${'P' * 53}}}}}", "must be a hash by bcrypt", "", 4),
    "a hash that is soon guessed": (f"web: {{users: {{ada: $2y$05${'.' * 53}}}}}", "must be 10 to 14", "", 4),
    "a hash that takes for ever": (f"web: {{users: {{ada: $2y$31${'.' * 53}}}}}", "must be 10 to 14", "", 4),
    "deciders whom nobody knows": ("web: {deciders: [ada]}", "nobody can decide", "web.users", 4),
    "a page both open and closed": ("web: {users: {ada: $HASH}, anonymous: true}", "nobody is anonymous", "", 4),
    "a key that stands twice": ("store: sqlite:///a\nstore: sqlite:///b", "stands here twice", "keep one", 5),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_file_line_and_what_was_meant(tmp_path: Path, fault: str) -> None:
    text, message, hint, line = FAULTS[fault]
    text = text.replace("$HASH", NOBODY)
    with pytest.raises(FaultyFiles) as error:
        loaded(tmp_path, SMALLEST + text + "\n")
    (found, *_) = error.value.faults
    assert message in found.message
    assert hint in found.hint
    assert (Path(found.file).name, found.line) == ("auditor.yaml", line)


TIMES = "time_intervals:\n  - name: x\n    time_intervals:\n      - {weekdays: ['mon:fri']}\n"
RECEIVER = "Alertmanager's `receiver` is `to` here"
WORDS = {
    "route: {group_by: [alertname]}": "`route.group_by.0`: no such value (Alertmanager's `alertname` is `policy` here)",
    "route: {group_by: [tag, polcy]}": "`route.group_by.1`: no such value (did you mean `policy`?)",
    "route: {group_by: 3}": "`route.group_by`: must be a list, for example [a, b]",
    "log: {level: warn}": "`log.level`: no such value (did you mean `warning`?)",
    "sinks: []": "`sinks`: must be a mapping, for example {name: value}",
    "operators: [1]": "`operators.0`: must be text, in quotes where it looks like something else",
    "web: {anonymous: perhaps}": "`web.anonymous`: must be true or false",
    "reports: {keep: 0}": "`reports.keep`: must be greater than or equal to 1",
    "receivers: []": "unknown key `receivers` (Alertmanager's `receivers` is `sinks` here)",
    "mute_time_intervals: []": "unknown key `mute_time_intervals` (Alertmanager's `mute_time_intervals` is",
    "route: {receiver: ops}": f"unknown key `route.receiver` ({RECEIVER})",
    "route: {routes: []}": "unknown key `route.routes` (`routes` stand beside `route`, at the top of the file)",
    "route: {matchers: []}": "unknown key `route.matchers` (it belongs to one of `routes`",
    "routes: [{routes: [{receiver: ops}]}]": f"unknown key `routes.0.routes.0.receiver` ({RECEIVER})",
    "routes: [{matchers: []}]": "unknown key `routes.0.matchers` (Alertmanager's `matchers` is `match` here)",
    "routes: [{match: [level=high]}]": "`routes.0.match`: must be a mapping, for example {level: high",
    "web: {users: {'a:b': $HASH}}": "`web.users.a:b`: a name has 1 to 200 characters that can be seen, and no colon",
    TIMES: "`time_intervals.0.time_intervals.0.weekdays.0`: must be a weekday or a range",
}


@pytest.mark.parametrize("text", WORDS)
def test_the_last_fault_is_one_sentence_in_words_of_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(FaultyFiles) as error:
        loaded(tmp_path, SMALLEST + text.replace("$HASH", NOBODY) + "\n")
    assert WORDS[text] in str(error.value.faults[-1])
    assert len(error.value.faults) == 1 + ("polcy" in text)
    for internal in ("tuple", "literal", "nput should", "valid", "dictionary"):
        assert internal not in str(error.value)


def test_a_list_that_is_really_empty_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultyFiles, match=r"`policies\.paths`: must not be empty"):
        loaded(tmp_path, SMALLEST + "policies: {paths: []}\n")


def test_one_name_may_stand_without_brackets(tmp_path: Path) -> None:
    text = "sinks: {a: {type: console}}\noperators: a\nroute: {to: a}\nroutes: [{to: a, group_by: policy}]\n"
    config = loaded(tmp_path, SMALLEST + text + "teams: {core: {projects: proj_1}}\n").config
    assert (config.operators, config.route.to, config.routes[0].to) == (("a",), ("a",), ("a",))
    assert (config.routes[0].group_by, config.teams["core"].projects) == (("policy",), ("proj_1",))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FaultyFiles) as error:
        loaded(tmp_path, SMALLEST + "colour: red\nschedule: {snapshot: 1, audit_log: x}\n")
    assert len(error.value.faults) == 3


def test_a_missing_secret_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(FaultyFiles) as error:
        loaded(tmp_path, "organizations:\n  acme: {}\n")
    (fault,) = error.value.faults
    assert "has no admin key" in fault.message
    assert "AUDITOR_ORGANIZATIONS__ACME__ADMIN_KEY" in fault.hint
    assert fault.line == 2


def test_a_secret_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultyFiles, match="cannot read the secret file"):
        loaded(tmp_path, "organizations:\n  acme: {admin_key_file: /nowhere/key}\n")


@pytest.mark.parametrize("url", ["http://api.example.com/v1", "ftp://127.0.0.1", "api.openai.com", ""])
def test_the_key_goes_over_https_or_not_at_all(tmp_path: Path, url: str) -> None:
    with pytest.raises(FaultyFiles, match="https"):
        loaded(tmp_path, SMALLEST + f"    base_url: '{url}'\n")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:canary@api.example.com/v1",
        "https://canary@api.example.com/v1",
        "https://:canary@api.example.com/v1",
        "https://api.example.com/v1?key=canary",
        "https://api.example.com/v1#canary",
        "http://u:canary@127.0.0.1/v1",
        "https://u:canary@[::1/v1",
        "https://u:canary@a\u2100b.example.com/v1",
    ],
)
def test_an_address_holds_no_secret_and_none_is_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(FaultyFiles) as error:
        loaded(tmp_path, SMALLEST + f"    base_url: '{url}'\n")
    assert "organizations.acme.base_url" in str(error.value)
    assert "canary" not in str(error.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8765/v1", "http://localhost:1/v1", "http://[::1]:9/v1"])
def test_plain_http_is_accepted_for_loopback(tmp_path: Path, url: str) -> None:
    assert loaded(tmp_path, SMALLEST + f"    base_url: '{url}'\n").config.organizations["acme"].base_url == url


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_ORGANIZATIONS__ACME__ADMIN_KEY", "sk-admin-from-env")
    monkeypatch.setenv("AUDITOR_SCHEDULE__SNAPSHOT", "5m")
    found = loaded(tmp_path, "organizations:\n  acme: {}\nschedule: {snapshot: 1h, audit_log: 1m}\n")
    assert found.keys["acme"].get_secret_value() == "sk-admin-from-env"
    assert (found.config.schedule.snapshot, found.config.schedule.audit_log) == (300, 60)


def test_the_vendors_variable_serves_a_single_organization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-vendor")
    assert loaded(tmp_path, "organizations: {acme: {}}\n").keys["acme"].get_secret_value() == "sk-admin-vendor"


def test_a_variable_that_sets_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_SHEDULE__SNAPSHOT", "5m")
    with pytest.raises(FaultyFiles, match="AUDITOR_SHEDULE__SNAPSHOT") as error:
        loaded(tmp_path, SMALLEST)
    assert "AUDITOR_SCHEDULE" in str(error.value)


@pytest.mark.parametrize("name", ["AUDITOR_SINKS", "AUDITOR_POLICIES__PARAMS", "AUDITOR_ORGANIZATIONS"])
def test_a_variable_that_is_not_json_is_named_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "{canary")
    monkeypatch.setenv("AUDITOR_SCHEDULE__SNAPSHOT", "5m")
    with pytest.raises(FaultyFiles) as error:
        loaded(tmp_path, SMALLEST)
    (fault,) = error.value.faults
    assert fault.message == f"the environment variable {name} is not JSON"
    assert "canary" not in str(fault)
    assert error.value.__suppress_context__


def test_a_section_that_is_a_plain_word_is_named_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_SINKS", "canary")
    with pytest.raises(FaultyFiles, match="AUDITOR_SINKS is not JSON") as error:
        loaded(tmp_path, SMALLEST)
    assert "canary" not in str(error.value)


@pytest.mark.parametrize("name", ["Acme", "a-b", "42", "a__b"])
def test_no_variable_is_proposed_for_a_name_that_none_can_hold(tmp_path: Path, name: str) -> None:
    with pytest.raises(FaultyFiles) as error:
        loaded(tmp_path, f"organizations:\n  '{name}': {{}}\n")
    assert "has no admin key" in str(error.value)
    assert "AUDITOR_ORGANIZATIONS" not in str(error.value)


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path / "none.yaml")
    assert "auditor init" in error.value.hint


@pytest.mark.parametrize(
    "text", ["", "[]", "just words", "a: 1\n---\nb: 2\n", "organizations: {}\n", "organizations: 3"]
)
def test_a_file_of_another_shape_is_refused_with_a_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(FaultyFiles):
        loaded(tmp_path, text)


def test_levels_and_overrides_are_typed(tmp_path: Path) -> None:
    more = "policies: {overrides: {project-key-stale: {level: low, params: {stale_after: 30d}}}}\n"
    override = loaded(tmp_path, SMALLEST + more).config.policies.overrides["project-key-stale"]
    assert override.level is Level.LOW
    assert override.params == {"stale_after": "30d"}


@pytest.mark.parametrize(
    "web",
    [
        f"{{listen: '0.0.0.0:9847', users: {{ada: {NOBODY}}}}}",
        "{listen: '0.0.0.0:9847', users_file: users}",
        "{listen: '0.0.0.0:9847', anonymous: true}",
        "{listen: '[::1]:9847'}",
        "{listen: '127.0.0.53:9847'}",
    ],
)
def test_a_page_beyond_loopback_asks_or_says_that_something_else_does(tmp_path: Path, web: str) -> None:
    assert loaded(tmp_path, SMALLEST + f"web: {web}\n").config.web.address[1] == 9847


def test_the_environment_alone_opens_no_page_to_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_WEB__LISTEN", "0.0.0.0:9847")
    with pytest.raises(FaultyFiles, match="would read the page without signing in"):
        loaded(tmp_path, SMALLEST)


def test_no_hash_of_a_password_shows_up_in_it(tmp_path: Path) -> None:
    found = loaded(tmp_path, SMALLEST + f"web: {{users: {{ada: {NOBODY}}}}}\n")
    assert NOBODY not in repr(found.config) + str(found.config) + repr(found) + repr(found.document)


def test_the_file_of_users_is_read_whole_and_every_fault_is_told(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(
        f"# made by htpasswd\n\nada@example.com:{NOBODY}\nbo@example.com:{NOBODY}\nbo@example.com:{NOBODY}\n:x\ncy\n"
    )
    found = loaded(tmp_path, SMALLEST + f"web: {{users_file: {tmp_path}/users}}\n")
    with pytest.raises(FaultyFiles) as error:
        users_of(found)
    assert [(fault.line, fault.message[:26]) for fault in error.value.faults] == [
        (5, "the name stands here twice"),
        (6, "a name has 1 to 200 charac"),
        (7, "must be a hash by bcrypt, "),
    ]
    (tmp_path / "users").write_text(f"ada@example.com:{NOBODY}\r\nbo@example.com:{NOBODY}")
    assert users_of(found) == {"ada@example.com": NOBODY, "bo@example.com": NOBODY}


@pytest.mark.parametrize("content", [b"", b"# nobody\n", b"\xff\xfe", b"a:" * 600_000, None])
def test_a_file_of_users_that_names_nobody_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "users").write_bytes(content)
    found = loaded(tmp_path, SMALLEST + f"web: {{users_file: {tmp_path}/users}}\n")
    with pytest.raises(ConfigError, match="users"):
        users_of(found)


def test_deciders_must_be_able_to_sign_in(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"ada@example.com:{NOBODY}\n")
    web = f"web: {{users_file: {tmp_path}/users, deciders: [ada@example.com, ade@example.com]}}\n"
    with pytest.raises(FaultyFiles) as error:
        users_of(loaded(tmp_path, SMALLEST + web))
    assert "nobody signs in as `ade@example.com` (did you mean `ada@example.com`?)" in str(error.value)


def test_who_stands_in_both_places_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"ada:{NOBODY}\n")
    with pytest.raises(FaultyFiles, match=r"`ada` stands in .*users, too"):
        users_of(loaded(tmp_path, SMALLEST + f"web: {{users_file: {tmp_path}/users, users: {{ada: {NOBODY}}}}}\n"))
