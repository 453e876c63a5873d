"""Every control that a policy names is one that its framework has, and what no policy speaks for is counted."""

import re
from pathlib import Path

import pytest
from commands import auditor
from policyfiles import loaded, state

from auditor.policy.controls import STRENGTHS, control_list, spoken, unknown
from auditor.policy.files import FRAMEWORKS, Framework

PUBLISHED = {"soc2": 61, "iso27001": 93, "csf": 106, "cis": 153, "iso42001": 38, "ai-rmf": 72, "nist-800-53": 1014}
"""How many controls each framework has; of NIST 800-53 those that are not withdrawn, enhancements included."""

SOUND = state("{bad: {name: bad}, condition: bad}")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_list_holds_every_control_once(framework: str) -> None:
    known = control_list(framework)
    assert len(known.ids) == len(set(known.ids)) == PUBLISHED[framework]
    assert known.title
    assert known.source.startswith("https://")


@pytest.mark.parametrize(
    ("framework", "there", "missing"),
    [
        ("soc2", "CC6.8", "CC6.9"),
        ("soc2", "P8.1", "P8.2"),
        ("iso27001", "A.8.34", "A.8.35"),
        ("iso27001", "A.6.8", "A.6.9"),
        ("nist-800-53", "AC-2(13)", "AC-2(14)"),
        ("nist-800-53", "SC-51", "AC-13"),
        ("csf", "DE.CM-09", "DE.CM-04"),
        ("cis", "16.14", "16.15"),
        ("iso42001", "A.6.2.8", "A.6.1.1"),
        ("ai-rmf", "MEASURE 2.13", "MEASURE 2.14"),
    ],
)
def test_the_last_control_is_known_and_the_one_after_it_is_not(framework: Framework, there: str, missing: str) -> None:
    assert list(unknown({framework: [there]})) == []
    ((where, control, hint),) = unknown({framework: [there, missing]})
    assert (where, control) == (framework, missing)
    assert hint


FAMILIES = {
    "AC": (25, {13, 15}), "AT": (6, {5}), "AU": (16, {15}), "CA": (9, {4}), "CM": (14, set()), "CP": (13, {5}),
    "IA": (13, set()), "IR": (10, {10}), "MA": (7, set()), "MP": (8, set()), "PE": (23, {7}), "PL": (11, {3, 5, 6}),
    "PM": (32, set()), "PS": (9, set()), "PT": (8, set()), "RA": (10, {4}), "SA": (24, {6, 7, 12, 13, 14, 18, 19}),
    "SC": (51, {9, 14, 19, 33}), "SI": (23, {9}), "SR": (12, set()),
}  # fmt: skip
"""The 20 families of NIST SP 800-53 Revision 5: the number of the last control, and of those that are withdrawn."""

LATER = {"IA-13", "IA-13(1)", "IA-13(2)", "IA-13(3)", "SA-15(13)", "SA-24", "SI-2(7)"}
"""What release 5.1.1 (2023) and release 5.2 (2025) added to the 1,007 of 2020 that are not withdrawn."""


def test_the_list_of_nist_800_53_has_every_control_of_every_family_that_is_not_withdrawn() -> None:
    known = control_list("nist-800-53")
    assert {group.split(" ", maxsplit=1)[0] for group in known.group_of.values()} == FAMILIES.keys()
    for family, (last, withdrawn) in FAMILIES.items():
        expected = [f"{family}-{number}" for number in range(1, last + 1) if number not in withdrawn]
        assert [each for each in known.ids if each.startswith(f"{family}-") and "(" not in each] == expected
    assert set(known.ids) >= LATER
    assert len(set(known.ids) - LATER) == 1007


def test_every_enhancement_of_nist_800_53_stands_behind_its_control_and_in_order() -> None:
    known = control_list("nist-800-53").ids
    parts = [re.fullmatch(r"([A-Z]{2})-(\d+)(?:\((\d+)\))?", each) for each in known]
    ranks = [(each[1], int(each[2]), int(each[3] or 0)) for each in parts if each]
    assert len(ranks) == len(known)
    assert ranks == sorted(ranks)
    assert {(family, number, 0) for family, number, _ in ranks} <= set(ranks)


def test_a_framework_without_a_list_is_an_error() -> None:
    with pytest.raises(KeyError):
        control_list("../files")


def test_controls_are_told_with_their_strongest_policy_first(tmp_path: Path) -> None:
    texts = {
        "weak": "controls: {cis: {'5.3': supporting}}\n",
        "strong": "controls: {cis: {'5.3': direct, '6.2': partial}}\n",
    }
    policies = [
        policy
        for name, controls in texts.items()
        for policy in loaded(tmp_path, SOUND.replace("name: policy", f"name: {name}") + controls, f"{name}.yaml")
    ]
    found = {each.control: each.policies for each in spoken("cis", policies)}
    assert list(found) == list(control_list("cis").ids)
    assert found["5.3"] == (("strong", "direct"), ("weak", "supporting"))
    assert found["6.2"] == (("strong", "partial"),)
    assert found["1.1"] == ()


def test_the_command_counts_what_is_touched_and_what_is_not(tmp_path: Path) -> None:
    entries = auditor("policies", "controls", "-o", "json", cwd=tmp_path).document
    assert [entry["framework"] for entry in entries] == list(FRAMEWORKS)
    for entry in entries:
        known = control_list(entry["framework"])
        assert sum(entry["counts"].values()) == entry["controls"] == len(known.ids)
        assert {*entry["touched"], *entry["untouched"]} == set(known.ids)
        assert not entry["touched"].keys() & set(entry["untouched"])
        strongest = [min(map(STRENGTHS.index, each.values())) for each in entry["touched"].values()]
        assert [strongest.count(rank) for rank in range(3)] == [entry["counts"][each] for each in STRENGTHS]
    assert entries[0]["touched"]["CC6.2"]["admin-key-owner-not-owner"] == "partial"


def test_the_command_names_the_controls_of_one_framework(tmp_path: Path) -> None:
    table = auditor("policies", "controls", "--framework", "cis", cwd=tmp_path)
    (entry,) = auditor("policies", "controls", "--framework", "cis", "-o", "json", cwd=tmp_path).document
    assert table.code == 0
    assert all(control in table.out for control in (*entry["touched"], *entry["untouched"]))
    assert all(policy in table.out for each in entry["touched"].values() for policy in each)
    assert "Most of a framework is about people" in " ".join(table.out.split())


def test_an_unknown_framework_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    done = auditor("policies", "controls", "--framework", "pci", cwd=tmp_path)
    assert done.code == 2
    assert all(each in done.err for each in FRAMEWORKS)
