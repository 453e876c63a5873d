"""What people vouch for: it fills what nobody can see, ends by itself, and yields to an event that says otherwise."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from audits import POLICIES
from folding import REFUSED, event, folded, proven, setting, value
from hypothesis import given
from hypothesis import strategies as st

from auditor.entries import MAX_BYTES
from auditor.errors import ConfigError, FaultyFiles
from auditor.inventory.attestations import LONGEST, Attestation, read
from auditor.inventory.model import Record, Unknown
from auditor.inventory.settingtypes import ATTESTABLE, SETTING_TYPES
from auditor.policy.evaluate import evaluate
from auditor.terms import Outcome

DAY = 86_400
ENTRY = """\
- setting: sso_enforced
  value: true
  by: ada@example.com
  on: 2026-01-10
  until: 2026-06-30
  evidence: https://wiki.example.com/sso
"""


def word(name: str = "scim_enabled", said: object = True, on: int = 100, until: int = 900) -> Attestation:
    return Attestation(name, said, "ada@example.com", on, until, "a screenshot")


def scim(at: int, *, enabled: bool = False) -> Record:
    return event(at, "scim.enabled" if enabled else "scim.disabled", {"id": "x"})


def written(folder: Path, text: str) -> Path:
    path = folder / "attestations.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(FaultyFiles) as caught:
        read(written(folder, text), ["acme"])
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def seconds(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


def outcome(policy: str, *events: Record, attestations: tuple[Attestation, ...], now: int = 500) -> Outcome:
    snapshot = folded(*events, attestations=attestations, now=now)
    (result,) = (each for each in evaluate(POLICIES, snapshot, now) if each.policy == policy)
    return result.outcome


def test_it_fills_what_no_event_shows_from_its_day_until_its_end() -> None:
    for now, source, known in ((99, "unknown", False), (100, "attested", True), (899, "attested", True),
                               (900, "unknown", False)):  # fmt: skip
        snapshot = folded(attestations=[word()], now=now)
        assert setting(snapshot, "scim_enabled")["source"] == source, now
        assert (value(snapshot, "scim_enabled") is True) is known
        assert setting(snapshot, "scim_enabled")["by"] == "ada@example.com"
    assert setting(folded(attestations=[word()], now=900), "scim_enabled")["attestation"] == "expired"
    assert isinstance(value(folded(attestations=[word()], now=900), "scim_enabled"), Unknown)


def test_it_fills_what_no_event_ever_can_show() -> None:
    for name in ("sso_enforced", "mfa_enforced", "service_account_keys_only"):
        assert value(folded(attestations=[word(name)], now=500), name) is True
    assert value(folded(attestations=[word("max_key_lifetime_days", 90)], now=500), "max_key_lifetime_days") == 90


def test_a_later_event_that_says_otherwise_makes_it_void_even_where_the_log_cannot_be_read_now() -> None:
    for logs in (None, REFUSED):
        snapshot = folded(scim(300), attestations=[word()], now=500, logs=logs)
        told = setting(snapshot, "scim_enabled")
        assert (told["attestation"], told["event"]) == ("contradicted", "event_300_1")
        assert value(snapshot, "scim_enabled") is not True
    assert value(folded(scim(300), attestations=[word()], now=500), "scim_enabled") is False


def test_what_was_void_once_stays_void_though_the_setting_came_back() -> None:
    snapshot = folded(scim(300), scim(400, enabled=True), attestations=[word()], now=500, logs=REFUSED)
    assert setting(snapshot, "scim_enabled")["attestation"] == "contradicted"
    assert isinstance(value(snapshot, "scim_enabled"), Unknown)


def test_an_event_that_agrees_makes_it_needless_and_an_older_one_that_does_not_is_believed() -> None:
    agrees = setting(folded(scim(300, enabled=True), attestations=[word()], now=500), "scim_enabled")
    assert (agrees["source"], agrees["attestation"]) == ("observed", "not needed")
    older = setting(folded(scim(50), attestations=[word()], now=500), "scim_enabled")
    assert (older["value"], older["attestation"]) == ("false", "contradicted")


def test_it_fills_what_a_hole_in_the_log_hides() -> None:
    logs = proven((0, 60), (80, 500))
    assert isinstance(value(folded(scim(50, enabled=True), now=500, logs=logs), "scim_enabled"), Unknown)
    snapshot = folded(scim(50, enabled=True), attestations=[word()], now=500, logs=logs)
    assert setting(snapshot, "scim_enabled")["source"] == "attested"


def test_an_attested_allowlist_answers_the_policy_and_its_entries_stay_unknown() -> None:
    name = "ip_allowlist_active"
    assert outcome("ip-allowlist-missing", attestations=()) is Outcome.UNKNOWN
    assert outcome("ip-allowlist-missing", attestations=(word(name),)) is Outcome.PASS
    assert outcome("ip-allowlist-too-wide", attestations=(word(name),)) is Outcome.UNKNOWN
    assert outcome("ip-allowlist-missing", attestations=(word(name, said=False),)) is Outcome.FAIL
    made = event(50, "ip_allowlist.updated", {"id": "ip_1", "allowed_ips": ["192.0.2.0/24"]})
    assert outcome("ip-allowlist-missing", made, attestations=()) is Outcome.UNKNOWN
    assert outcome("ip-allowlist-missing", made, attestations=(word(name, said=False),)) is Outcome.FAIL
    off = event(300, "ip_allowlist.config.deactivated", {"configs": [{"id": "ip_1", "name": "office"}]})
    assert outcome("ip-allowlist-missing", off, attestations=(word(name),)) is Outcome.FAIL


def test_the_policy_about_attestations_names_those_that_end_soon_are_over_or_void() -> None:
    late = word(until=500 + 15 * DAY)
    assert outcome("attestation-lapsed", attestations=(late,)) is Outcome.PASS
    assert outcome("attestation-lapsed", attestations=(late,), now=500 + 2 * DAY) is Outcome.FAIL
    assert outcome("attestation-lapsed", attestations=(word(),), now=900) is Outcome.FAIL
    assert outcome("attestation-lapsed", scim(300), attestations=(late,)) is Outcome.FAIL


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=6),
    st.integers(0, 20),
    st.integers(1, 20),
    st.integers(0, 45),
)
def test_it_is_in_force_only_in_its_time_and_only_where_no_event_of_that_time_says_otherwise(
    history: list[tuple[int, bool]], on: int, long: int, now: int
) -> None:
    events = [event(at, "scim.enabled" if yes else "scim.disabled", {}, n) for n, (at, yes) in enumerate(history)]
    events = [each for each in events if int(str(each.fields["effective_at"])) <= now]
    snapshot = folded(*events, attestations=[word(on=on, until=on + long)], now=now)
    if setting(snapshot, "scim_enabled")["source"] == "attested":
        assert on <= now < on + long
        assert not [at for at, yes in history if on <= at <= now and not yes]
    if not events:
        assert (value(snapshot, "scim_enabled") is True) is (on <= now < on + long)


def test_a_file_is_read_with_days_that_begin_and_end_in_utc(tmp_path: Path) -> None:
    (one,) = read(written(tmp_path, ENTRY), ["acme"])
    assert (one.setting, one.value, one.scope) == ("sso_enforced", True, "")
    assert (one.on, one.until) == (seconds(2026, 1, 10), seconds(2026, 7, 1))
    moment = ENTRY.replace("2026-06-30", "2026-06-30T12:00:00+02:00") + "  scope: acme\n"
    (one,) = read(written(tmp_path, moment), ["acme"])
    assert (one.until, one.scope) == (seconds(2026, 6, 30, 10), "acme")


def test_every_fault_of_a_file_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        ENTRY.replace("sso_enforced", "sso_enforce")
        + ENTRY.replace("value: true", "value: maybe")
        + ENTRY.replace("  until: 2026-06-30\n", "")
        + ENTRY.replace("2026-06-30", "2027-06-30")
        + ENTRY.replace("by: ada", "bye: ada")
        + ENTRY.replace("on: 2026-01-10", "on: soon") + "  scope: acmee\n"
        + "- sso_enforced\n"
    )  # fmt: skip
    assert faults(tmp_path, text) == [
        "attestations.yaml:1:3: `sso_enforce` is no setting (did you mean `sso_enforced`?)",
        "attestations.yaml:8:3: `value` of sso_enforced must be boolean",
        "attestations.yaml:13:3: `until` is missing",
        f"attestations.yaml:18:3: an attestation holds for {LONGEST} days at most: let it end earlier, and renew it",
        "attestations.yaml:24:3: `by` is missing",
        "attestations.yaml:26:3: unknown key `bye` (did you mean `by`?)",
        "attestations.yaml:33:3: `on` must be a day or a moment, for example 2026-11-24 or 2026-11-24T08:00:00Z",
        "attestations.yaml:37:3: an attestation is a mapping (start with `- setting: sso_enforced`)",
    ]


def test_what_contradicts_itself_or_names_nobody_is_refused(tmp_path: Path) -> None:
    assert "attested twice" in faults(tmp_path, ENTRY + ENTRY)[0]
    assert "no organization is named `acmee`" in faults(tmp_path, ENTRY + "  scope: acmee\n")[0]
    assert "later than `on`" in faults(tmp_path, ENTRY.replace("2026-06-30", "2026-01-01"))[0]
    assert "cannot be attested" in faults(tmp_path, ENTRY.replace("sso_enforced", "title"))[0]
    other = ENTRY.replace("2026-01-10", "2026-07-01").replace("2026-06-30", "2026-12-31")
    assert len(read(written(tmp_path, ENTRY + other), ["acme"])) == 2


def test_a_setting_takes_only_values_that_it_can_have() -> None:
    assert set(ATTESTABLE) <= set(SETTING_TYPES)
    assert SETTING_TYPES["api_call_logging"].takes("disabled")
    assert not SETTING_TYPES["api_call_logging"].takes("off")
    assert not SETTING_TYPES["max_key_lifetime_days"].takes(True)
    assert not SETTING_TYPES["max_key_lifetime_days"].takes(0)
    assert not SETTING_TYPES["sso_enforced"].takes("true")


@pytest.mark.parametrize(
    "bomb",
    ["[" * 100_000, "- &a [x]\n- *a\n", "- " * 40 + "x", "{}", "- setting: [a\n", "x" * (MAX_BYTES + 1), "a: 1\n---\n"],
    ids=["nesting", "alias", "depth", "mapping", "syntax", "size", "documents"],
)
def test_a_file_that_is_a_bomb_is_refused_with_its_name(tmp_path: Path, bomb: str) -> None:
    assert faults(tmp_path, bomb)[0].startswith("attestations.yaml")


def test_a_file_that_cannot_be_read_is_an_error_with_a_hint(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError) as caught:
            read(path, ["acme"])
        assert caught.value.hint
    (tmp_path / "latin.yaml").write_bytes(b"- \xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        read(tmp_path / "latin.yaml", ["acme"])
