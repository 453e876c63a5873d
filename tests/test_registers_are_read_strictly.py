"""The operator's own files: CSV or YAML, every fault with its line, nothing that a spreadsheet or a bomb left."""

import os
from pathlib import Path

import pytest
from commands import auditor, configured
from organization import served, small

from auditor.errors import FaultyFiles
from auditor.registers.read import MAX_BYTES, MAX_FAULTS, read
from auditor.registers.table import REGISTERS, Row

NOWHERE = "http://127.0.0.1:9/v1"
HEAD = "email,left_at,name\n"


def rows(folder: Path, name: str, text: str | bytes, suffix: str = ".csv") -> tuple[Row, ...]:
    path = folder / f"{name}{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(name, path)


def faults(folder: Path, name: str, text: str | bytes, suffix: str = ".csv") -> list[str]:
    with pytest.raises(FaultyFiles) as caught:
        rows(folder, name, text, suffix)
    return [f"{fault.line}: {fault.message} ({fault.hint})" for fault in caught.value.faults]


def test_csv_and_yaml_give_the_same_rows(tmp_path: Path) -> None:
    csv = "Service_Account;Project;Owner;Purpose;Review_by\nci;research;Robin@Example.com;nightly;2026-03-01\nold;;;;\n"
    yaml = """\
- {service_account: ci, project: research, owner: Robin@Example.com, purpose: nightly, review_by: 2026-03-01}
- service_account: old
"""
    expected = (
        {
            "service_account": "ci",
            "project": "research",
            "owner": "robin@example.com",
            "purpose": "nightly",
            "review_by": 1_772_323_200,
        },
        {"service_account": "old"},
    )
    assert rows(tmp_path, "service_accounts", csv) == expected
    assert rows(tmp_path, "service_accounts", yaml, ".yaml") == expected


def test_every_form_of_cell_is_read(tmp_path: Path) -> None:
    text = (
        "project,owner,environment,data_class,groups,tools,residencies,group_managed,certificate_required\n"
        'shop,team@example.com,Production,restricted,"a team; b team",mcp;web_search,EU_STORAGE_PROCESSING,yes,FALSE\n'
    )
    (row,) = rows(tmp_path, "projects", text)
    assert row == {
        "project": "shop",
        "owner": "team@example.com",
        "environment": "production",
        "data_class": "restricted",
        "groups": ("a team", "b team"),
        "tools": ("mcp", "web_search"),
        "residencies": ("EU_STORAGE_PROCESSING",),
        "group_managed": True,
        "certificate_required": False,
    }
    listed = "- {project: shop, groups: [a team, b team], group_managed: yes, certificate_required: false}\n"
    (same,) = rows(tmp_path, "projects", listed, ".yml")
    assert (same["groups"], same["group_managed"], same["certificate_required"]) == (("a team", "b team"), True, False)


def test_what_spreadsheets_do_to_a_sound_file_is_taken(tmp_path: Path) -> None:
    text = "\ufeff" + HEAD + "\r\n  robin@example.com , 2026-01-31T18:00:00+01:00 ,\u00a0Robin\u00a0\r\n,,\r\n"
    assert rows(tmp_path, "leavers", text) == (
        {"email": "robin@example.com", "left_at": 1_769_878_800, "name": "Robin"},
    )


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("email,left_at,nmae\n", 1, "no column `nmae`", "`name`?"),
        ("email,email,left_at\n", 1, "`email` stands here twice", ""),
        ("email,name\n", 1, "column `left_at` is missing", "email, left_at, name"),
        ("", 0, "is empty", "email, left_at, name"),
        ("\n\n", 0, "is empty", ""),
        (HEAD + "robin@example.com,2026-01-01\n", 2, "has 2 cells, and the header 3", "quotes"),
        (HEAD + "robin@example.com,31.01.2026,\n", 2, "`left_at` is no date or time: 31.01.2026", "2026-01-31"),
        (HEAD + "robin@example.com,0001-01-01,\n", 2, "no date or time", ""),
        (HEAD + "robin@example.com,99999999999999999999,\n", 2, "no date or time", ""),
        (HEAD + "robin,2026-01-01,\n", 2, "`email` is no mail address", ""),
        (HEAD + ",2026-01-01,Robin\n", 2, "`email` is empty", ""),
        (HEAD + 'robin@example.com,2026-01-01,"=HYPERLINK(""x"")"\n', 2, "begins like a formula", "value"),
        (HEAD + "robin@example.com,2026-01-01,@SUM(1)\n", 2, "begins like a formula", ""),
        (HEAD + "robin@example.com,#REF!,\n", 2, "the error #REF! of a spreadsheet", "empty"),
        (HEAD + "robin@exa\u200bmple.com,2026-01-01,\n", 2, "invisible character U+200B", "type the value anew"),
        (HEAD + "robin@example.com,2026-01-01,\x1b[2J\n", 2, "invisible character U+001B", ""),
        (HEAD + "robin@example.com,2026-01-01,R\ufffdbin\n", 2, "another encoding", "UTF-8"),
        (HEAD + f"robin@example.com,2026-01-01,{'x' * 1001}\n", 2, "longer than 1000", ""),
        (HEAD + 'robin@example.com,2026-01-01,"open\n', 2, "is not CSV", "quotes"),
        (HEAD + f"robin@example.com,2026-01-01,{'x' * 200_000}\n", 2, "is not CSV", "huge"),
        (HEAD + "a@example.com,2026-01-01,\nA@Example.com,2026-01-02,\n", 3, "same email stands in line 2", "one"),
    ],
)
def test_a_fault_of_a_csv_file_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, message: str, hint: str
) -> None:
    (told,) = faults(tmp_path, "leavers", text)
    assert told.startswith(f"{line}: ")
    assert message in told
    assert hint in told


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("email: robin@example.com\n", 0, "is no list of entries"),
        ("- robin@example.com\n", 1, "is no mapping"),
        ("- {email: a@example.com, left_at: 2026-01-01}\n- {email: b@example.com}\n", 2, "`left_at` is missing"),
        ("- {email: a@example.com, left_at: 2026-01-01, role: owner}\n", 1, "there is no key `role`"),
        ("- {email: [a@example.com], left_at: 2026-01-01}\n", 1, "holds a list"),
        ("- {email: {a: b}, left_at: 2026-01-01}\n", 1, "more than one plain value"),
        ("- {email: a@example.com, left_at: null}\n", 1, "`left_at` is empty"),
        ("- &a [*a]\n", 1, "anchors and aliases"),
        ("[" * 1000, 1, "nested deeper"),
        ("--- []\n--- []\n", 0, "is no list of entries"),
    ],
)
def test_a_fault_of_a_yaml_file_is_told_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    (told, *_) = faults(tmp_path, "leavers", text, ".yaml")
    assert told.startswith(f"{line}: ")
    assert message in told


def test_a_change_ends_after_it_begins(tmp_path: Path) -> None:
    head = "ticket,events,from,until\n"
    assert rows(tmp_path, "planned_changes", head + "CHG-1,scim.*,2026-01-01,2026-01-01\n")
    (told,) = faults(tmp_path, "planned_changes", head + "CHG-1,scim.*,2026-01-02,2026-01-01\n")
    assert told.startswith("2: ends before it begins")


def test_all_faults_of_a_file_are_told_at_once_but_not_thousands(tmp_path: Path) -> None:
    three = HEAD + "a,2026-01-01,\nb@example.com,soon,\nc@example.com,2026-01-01,=x\n"
    assert [told.split(":")[0] for told in faults(tmp_path, "leavers", three)] == ["2", "3", "4"]
    many = faults(tmp_path, "leavers", HEAD + "a,soon,\n" * 5000)
    assert len(many) == MAX_FAULTS + 1
    assert "and 9950 faults more" in many[-1]


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    assert faults(tmp_path, "leavers", HEAD.encode("utf-16"))[0].startswith("1: is not UTF-8")
    assert faults(tmp_path, "leavers", HEAD.encode() + b"a@example.com,2026-01-01,R\xf6\n")[0].startswith(
        "2: is not UTF-8"
    )
    assert "neither CSV nor YAML" in faults(tmp_path, "leavers", HEAD, ".xlsx")[0]
    assert f"larger than {MAX_BYTES // 1_000_000} MB" in faults(tmp_path, "leavers", b"x" * (MAX_BYTES + 1))[0]
    with pytest.raises(FaultyFiles, match="no such file"):
        read("leavers", tmp_path / "none.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(FaultyFiles, match="no such file"):
        read("leavers", tmp_path / "pipe.csv")


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    text = "ticket,events,from,until\n" + "CHG-1,a,2026-01-01,2026-01-02\n" * 100_001
    assert "100002: has more than 100,000 rows" in faults(tmp_path, "planned_changes", text)[0]


def test_the_table_of_registers_is_sound() -> None:
    for name, register in REGISTERS.items():
        assert set(register.key) <= set(register.columns), name
        assert set(register.span or ()) <= set(register.columns), name
        assert any(column.required for column in register.columns.values()), name


def test_registers_are_found_beside_the_configuration(tmp_path: Path) -> None:
    place = tmp_path / "etc"
    place.mkdir()
    (place / "leavers.csv").write_text(HEAD + "robin@example.com,soon,\n", encoding="utf-8")
    config = configured(place, NOWHERE, registers={"leavers": "./leavers.csv", "leaverz": "./none.csv"})
    done = auditor("check", "-c", config, cwd=tmp_path)
    assert done.code == 2
    assert "leavers.csv:2:1: `left_at` is no date or time: soon" in done.err
    assert "there is no register `leaverz` (did you mean `leavers`?)" in done.err
    assert not list(tmp_path.rglob("*.db"))


def test_doctor_says_whether_the_registers_are_sound(tmp_path: Path) -> None:
    leavers = tmp_path / "leavers.csv"
    with served(small()) as (address, _):
        config = configured(tmp_path, address, registers={"leavers": "./leavers.csv"})
        leavers.write_text(HEAD + "robin@example.com,2026-01-01,\n", encoding="utf-8")
        sound = auditor("doctor", "-c", config, cwd=tmp_path)
        leavers.write_text(HEAD + "robin@example.com,soon,\n", encoding="utf-8")
        broken = auditor("doctor", "-c", config, cwd=tmp_path)
    assert "1 rows are sound" in sound.out
    assert broken.code == 2
    assert "no date or time: soon" in " ".join(broken.out.split())
