"""`auditor events`: listing, following, exporting and weighing the audit log that the store keeps."""

import gzip
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auditor.cli import call
from auditor.jobs.follow import LAG, Follower
from auditor.store import events, history, watermarks
from auditor.store.database import Store, open_store
from auditor.store.events import StoredEvent
from auditor.store.history import SeenDay, SeenType, Wanted
from auditor.store.watermarks import Watermark
from auditor.terms import Status, Stream

pytest_plugins = ["databases"]

DAY = 86_400
NOON = 1_767_225_600 + DAY // 2
"""2026-01-01T12:00:00Z."""


def event(number: int, at: int, kind: str = "user.added", *, arrived_at: int = NOON, **more: Any) -> StoredEvent:
    """An event of the organization's stream."""
    body = {"id": f"audit_log-{number:04}", "type": kind, "effective_at": at, **more}
    return StoredEvent(f"audit_log-{number:04}", kind, at, arrived_at, Stream.ORGANIZATION, msgspec.json.encode(body))


def by(email: str) -> dict[str, Any]:
    """The actor of an event."""
    session = {"user": {"id": "user-1", "email": email}, "ip_address": "192.0.2.7"}
    return {"actor": {"type": "session", "session": session}}


def keep(store: Store, *new: StoredEvent, polled_at: int | None = None, organization: str = "acme") -> None:
    """What a poll does: the events and the watermark at once."""
    with store.transaction() as tx:
        events.insert(tx, organization, new)
        if polled_at is not None:
            mark = Watermark(polled_at, polled_at, Status.COMPLETE, "")
            watermarks.write(tx, organization, Stream.ORGANIZATION, mark)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose store is in the same folder; reading events needs no key."""
    path = tmp_path / "auditor.yaml"
    path.write_text(f"organizations: {{acme: {{}}}}\nstore: sqlite:///{tmp_path}/auditor.db\n")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The store of the configuration."""
    opened = open_store(f"sqlite:///{tmp_path}/auditor.db")
    yield opened
    opened.close()


def listed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[str]:
    """Ids that `events list` prints."""
    assert call(["events", "list", "-o", "json", *map(str, arguments)]) == 0
    return [each["event"]["id"][-4:] for each in json.loads(capsys.readouterr().out)]


def test_the_list_is_filtered_by_type_actor_and_time(
    config: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(
        store,
        event(1, NOON, **by("ada@example.com")),
        event(2, NOON + 60, "user.deleted", **by("ada@example.com")),
        event(3, NOON + DAY, **by("grace@example.com")),
    )
    asked = ("-c", config)
    assert listed(capsys, *asked) == ["0003", "0002", "0001"]
    assert listed(capsys, *asked, "--limit", "1") == ["0003"]
    assert listed(capsys, *asked, "--type", "user.added") == ["0003", "0001"]
    assert listed(capsys, *asked, "--actor", "Ada@example.com", "--limit", "1") == ["0002"]
    assert listed(capsys, *asked, "--actor", "192.0.2.7", "--type", "user.deleted") == ["0002"]
    assert listed(capsys, *asked, "--since", "2026-01-02") == ["0003"]
    assert listed(capsys, *asked, "--since", "2026-01-01T12:01:00Z") == ["0003", "0002"]
    assert listed(capsys, *asked, "--since", "1h") == []


def test_pages_types_and_days_are_the_same_in_either_database(database_url: str) -> None:
    store = open_store(database_url)
    keep(store, *(event(number, NOON + number // 7) for number in range(100)))
    forwards = [each.id for each in history.walk(store, "acme", Wanted(), size=9)]
    backwards = [each.id for each in history.walk(store, "acme", Wanted(), newest_first=True, size=9)]
    assert forwards == sorted(forwards)
    assert len(set(forwards)) == 100
    assert backwards == forwards[::-1]
    keep(store, event(500, NOON + DAY, "user.deleted", arrived_at=NOON + DAY + 1))
    keep(store, event(501, NOON, "login.failed"), organization="other")
    with store.transaction() as tx:
        types, days = history.types(tx, "acme"), history.days(tx, "acme", NOON + 1)
    store.close()
    assert types == [SeenType("user.added", 100, NOON, NOON + 14), SeenType("user.deleted", 1, NOON + DAY, NOON + DAY)]
    assert days == [SeenDay(NOON // DAY, 100, NOON), SeenDay(NOON // DAY + 1, 1, NOON + DAY + 1)]


def test_a_table_shows_names_without_what_drives_a_terminal(
    config: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, event(1, NOON, **by("\x1b[31m\u202eevil@example.com"), project={"id": "p", "name": "[red]x\x9b"}))
    keep(store, event(2, 1 << 40))
    assert call(["events", "list", "-c", str(config)]) == 0
    out = capsys.readouterr().out
    assert "evil@" in out
    assert not {"\x1b", "\x9b", "\u202e"} & set(out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--since", "yesterday"], "'yesterday' is no time: write 7d"),
        (["list", "--organization", "other"], "no organization is named `other`"),
        (["export"], "--output"),
    ],
)
@pytest.mark.usefixtures("store")
def test_what_cannot_be_understood_ends_with_2(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert call(["events", arguments[0], "-c", str(config), *arguments[1:]]) == 2
    assert words in capsys.readouterr().err


def told(follower: Follower) -> list[str]:
    """Ids of what is new."""
    return [each.id[-4:] for each in follower.news()]


def test_following_tells_each_event_once_whoever_stored_it_first(store: Store) -> None:
    keep(store, event(1, NOON, arrived_at=NOON), polled_at=NOON)
    follower = Follower(store, "acme")
    assert told(follower) == []
    keep(store, event(2, NOON + 5, arrived_at=NOON + 30), polled_at=NOON + 30)
    assert told(follower) == ["0002"]
    # A second process read the log a little earlier, and committed later.
    keep(store, event(3, NOON - DAY, arrived_at=NOON + 31 - LAG))
    assert told(follower) == []
    keep(store, polled_at=NOON + 60)
    assert told(follower) == ["0003"]
    keep(store, polled_at=NOON + 90)
    assert told(follower) == []


def test_following_is_no_backfill(store: Store) -> None:
    follower = Follower(store, "acme")
    keep(store, event(1, NOON - 60 * DAY), event(2, NOON - DAY), polled_at=NOON)
    assert told(follower) == ["0002"]


def test_following_prints_a_line_an_event_and_ends_at_ctrl_c_with_130(config: Path, store: Store) -> None:
    keep(store, polled_at=NOON)
    program = [sys.executable, "-m", "auditor", "events", "follow", "-c", str(config), "-o", "json", "--poll", "0.1"]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            # Whenever it began to look, one of these comes after that.
            for number in range(1, 300):
                keep(store, event(number, NOON + number, arrived_at=NOON + number), polled_at=NOON + number)
                if selector.select(timeout=0.1):
                    break
        line = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert line["event"]["type"] == "user.added"
    assert (line["organization"], line["stream"]) == ("acme", "organization")
    assert process.returncode == 130
    assert "Traceback" not in err


def files(folder: Path) -> Mapping[str, bytes]:
    """Every file below the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def exported(config: Path, folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """What `events export` says."""
    assert call(["events", "export", "-c", str(config), "--output", str(folder), *more]) == 0
    return capsys.readouterr().out.strip()


JANUARY_1 = "organization=acme/day=2026-01-01/events.jsonl.gz"
JANUARY_2 = "organization=acme/day=2026-01-02/events.jsonl.gz"


def test_an_export_holds_the_bytes_that_were_sent_by_day(
    config: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = b'{\n  "id": "e2", "type": "x.y",\r\n "effective_at": 1767225601,  "n": 1.50, "s": "\\n\xc3\xa9"}'
    early = event(1, NOON)
    keep(store, early, StoredEvent("e2", "x.y", NOON - DAY // 2 + 1, NOON, Stream.TENANT, odd), event(3, NOON + DAY))
    assert exported(config, tmp_path / "out", capsys).endswith("holds 3 events of 2 days; 2 files were written")
    lines = gzip.decompress((tmp_path / "out" / JANUARY_1).read_bytes()).split(b"\n")
    assert lines == [odd.replace(b"\n", b" ").replace(b"\r", b" "), early.raw, b""]
    assert msgspec.json.decode(lines[0]) == msgspec.json.decode(odd)


def test_an_export_is_the_same_bytes_again_and_writes_only_what_changed(
    config: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, event(2, NOON), event(1, NOON), event(3, NOON + DAY))
    exported(config, tmp_path / "one", capsys)
    exported(config, tmp_path / "two", capsys)
    first = files(tmp_path / "one")
    assert first == files(tmp_path / "two")
    assert first[JANUARY_1][4:8] == bytes(4), "the header holds the time of the export"
    assert exported(config, tmp_path / "one", capsys).endswith("0 files were written")

    keep(store, event(4, NOON + DAY + 1, arrived_at=NOON + DAY + 2))
    assert exported(config, tmp_path / "one", capsys).endswith("1 files were written")
    assert files(tmp_path / "one")[JANUARY_1] == first[JANUARY_1]
    assert files(tmp_path / "one")[JANUARY_2] != first[JANUARY_2]


def test_an_export_that_was_cut_is_mended(
    config: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, event(1, NOON), event(2, NOON + DAY))
    exported(config, tmp_path / "out", capsys)
    whole = files(tmp_path / "out")
    file = tmp_path / "out" / JANUARY_1
    file.write_bytes(file.read_bytes()[:-3])
    (tmp_path / "out" / JANUARY_2).with_name("_events.json").unlink()
    assert exported(config, tmp_path / "out", capsys).endswith("2 files were written")
    assert files(tmp_path / "out") == whole


def test_an_export_writes_whole_days_since_and_survives_a_time_beyond_the_calendar(
    config: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, event(1, NOON), event(2, NOON + DAY - 60), event(3, 1 << 40), event(4, (1 << 40) - DAY))
    said = exported(config, tmp_path / "out", capsys, "--since", "2026-01-02T11:00:00Z")
    assert said.endswith("holds 3 events of 2 days; 2 files were written")
    assert JANUARY_2 in files(tmp_path / "out")
    assert "organization=acme/day=9999-12-31/events.jsonl.gz" in files(tmp_path / "out")


def test_an_export_into_a_file_is_told(
    config: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, event(1, NOON))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "organization=acme").write_text("in the way")
    assert call(["events", "export", "-c", str(config), "--output", str(tmp_path / "out")]) == 2
    assert "cannot write" in capsys.readouterr().err


def covered(config: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """The document of `events coverage`."""
    assert call(["events", "coverage", "-c", str(config), "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)[0]


def test_coverage_joins_what_was_seen_with_who_watches(
    config: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, event(1, NOON), event(2, NOON + 9), event(3, NOON, "quantum.entangled"))
    document = covered(config, capsys)
    types = {line["type"]: line for line in document["types"]}
    assert types["user.added"]["events"] == 2
    assert types["user.added"]["first_at"] == "2026-01-01T12:00:00Z"
    assert types["user.added"]["last_at"] == "2026-01-01T12:00:09Z"
    assert types["user.added"]["known"]
    assert not types["quantum.entangled"]["known"]
    assert types["ip_allowlist.config.deactivated"]["settings"]
    assert types["ip_allowlist.config.deactivated"]["policies"]
    assert types["ip_allowlist.config.deactivated"]["last_at"] is None
    assert document["watching_no_type"] == []
    assert len(types) == 150


def test_coverage_names_unknown_types_and_policies_that_wait_for_nothing(
    config: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rule = (
        "title: T\nlogsource: {product: openai, service: audit}\nlevel: low\ndetection: {s: {type: %s}, condition: s}\n"
    )
    (tmp_path / "misspelt.yaml").write_text(rule % "user.addded")
    (tmp_path / "noisy.yaml").write_text(rule % "'*'")
    config.write_text(
        f"{config.read_text()}policies: {{paths: ['{tmp_path}/misspelt.yaml', '{tmp_path}/noisy.yaml']}}\n"
    )
    keep(store, event(1, NOON, "quantum.entangled"))
    assert call(["events", "coverage", "-c", str(config)]) == 0
    out = capsys.readouterr().out
    assert "misspelt: watch no type" in out
    assert "noisy: watch every type" in out
    assert "kept all the same: quantum.entangled" in out
    assert "acme: 1 events of 1 types" in out
