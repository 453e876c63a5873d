"""How values are written for people, and what becomes of text that wants to hide something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.reporting import text

NOW = 1_763_971_200


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("a\u202eb", "a[U+202E]b"),
        ("a\u2066b", "a[U+2066]b"),
        ("a\x1b[31mb", "a[U+001B][31mb"),
        ("a\nb", "a[U+000A]b"),
        ("a\u200bb", "a[U+200B]b"),
        ("a\u3164b", "a[U+3164]b"),
        ("\ufeffb", "[U+FEFF]b"),
        ("e\u0301", "e\u0301"),
        ("Zoë Åström 漢字 😀", "Zoë Åström 漢字 😀"),
    ],
)
def test_what_cannot_be_seen_is_spelt_out(hidden: str, shown: str) -> None:
    assert text.visible(hidden) == shown


def test_a_pile_of_combining_marks_does_not_grow_over_the_lines_above() -> None:
    assert text.visible("e" + "\u0301" * 4) == "e\u0301\u0301[U+0301][U+0301]"


def test_a_long_name_is_cut_and_the_rest_is_counted() -> None:
    assert text.visible("n" * 10_000) == "n" * 160 + "… (+9,840 characters)"


@given(st.text(max_size=300))
def test_no_control_or_direction_character_is_ever_left(value: str) -> None:
    shown = text.visible(value)
    assert not any(char in shown for char in "\x00\x07\x1b\x85\u061c\u200e\u200f\u202a\u202b\u202d\u202e\u2067\u2069")
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (NOW, "just now"),
        (NOW - 59, "just now"),
        (NOW - 60, "1 minute ago"),
        (NOW - 3 * 3600, "3 hours ago"),
        (NOW - 86_400, "1 day ago"),
        (NOW + 5 * 86_400, "in 5 days"),
    ],
)
def test_distances_in_time_are_told_in_the_largest_whole_unit(seconds: int, told: str) -> None:
    assert text.ago(seconds, NOW) == told


def test_numbers_and_nouns_agree() -> None:
    assert text.counted(1, "policy", "policies") == "1 policy"
    assert text.counted(1204, "policy", "policies") == "1,204 policies"
    assert text.counted(0, "finding") == "0 findings"
    assert [text.signed(value) for value in (-6, 0, 4)] == ["\N{MINUS SIGN}6", "±0", "+4"]


def test_kinds_and_frameworks_have_names_for_people() -> None:
    assert text.kind("project_api_key") == "Project API key"
    assert text.kind("ip_allowlist") == "IP allowlist"
    assert text.framework("soc2") == "SOC 2 Trust Services Criteria"
    assert text.framework("house-rules") == "house-rules"


def test_dates_are_written_in_utc() -> None:
    assert text.day(NOW) == "24 Nov 2025"
    assert text.moment(NOW) == "24 Nov 2025, 08:00 UTC"
    assert text.iso(NOW) == "2025-11-24T08:00:00Z"
    assert text.weekday("2025-11-24") == "Mon 24"
