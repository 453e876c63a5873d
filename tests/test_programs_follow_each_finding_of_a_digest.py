"""What is folded into a digest says, in each of its lines, which finding it is about and what became of it."""

import json
from dataclasses import replace
from pathlib import Path

from deliveries import alert, later, put, routing
from sample import FINDINGS
from services import FakeReceiver, FakeSplunk, serving

from auditor.alerts import digests
from auditor.alerts.deliver import Deliverer
from auditor.alerts.document import document
from auditor.alerts.message import AlertKind, Line
from auditor.alerts.registry import build
from auditor.alerts.sink import Context, Sink
from auditor.alerts.teller import Teller
from auditor.store.database import Store
from auditor.terms import Level

pytest_plugins = ["databases"]

SECRET = "whsec_" + "b" * 32
AT = 1_767_225_900


async def digested(store: Store, sink: Sink) -> None:
    """One finding opens and another one ends, in one message."""
    opened = alert("f1", resource_kind="project_api_key", resource_id="key_1", resource_name="ci")
    put(store, routing(), *(replace(each, id=f"{sink.kind}/{each.id}") for each in (opened, ENDED)))
    later(store, 400)
    await Deliverer(store, {"chat": sink}, "owner").deliver_due()


ENDED = alert("f2", kind=AlertKind.RESOLVED, at=AT)


async def test_programs_can_follow_each_finding_of_a_digest(store: Store, tmp_path: Path) -> None:
    receiver, splunk, file = FakeReceiver(SECRET), FakeSplunk("token"), tmp_path / "alerts.jsonl"
    with serving(receiver) as hook, serving(splunk) as hec:
        for raw in (
            {"type": "webhook", "url": f"{hook}/1", "secret": SECRET, "allow_private": True},
            {"type": "splunk_hec", "url": hec, "token": "token", "allow_private": True},
            {"type": "jsonl", "path": str(file)},
        ):
            await digested(store, build("chat", raw))
    line = {"level": "high", "policy": "stale", "resource": "ci", "message": "Text", "kind": "opened", "finding": "f1"}
    told = (receiver.taken[0].json["data"], splunk.events[0]["event"], json.loads(file.read_text()))
    for each in told:
        first, second = each["lines"]
        assert first == {**line, "resource_kind": "project_api_key", "resource_id": "key_1"}
        assert (second["kind"], second["finding"]) == ("resolved", "f2")


def test_a_log_server_is_told_the_finding_of_each_line() -> None:
    sink = build("siem", {"type": "syslog", "host": "192.0.2.1"})
    shown = sink.preview(digests.together([alert("f1"), ENDED], AT))
    assert "high f1: Text [f1]; high f2: resolved: Text [f2]" in shown


def test_the_first_picture_names_its_findings() -> None:
    teller = Teller({}, routing())
    told = document(digests.digest("acme", [teller.standing(finding) for finding in FINDINGS], {}, AT))
    assert sorted(line["finding"] for line in told["lines"]) == sorted(finding.id for finding in FINDINGS)


async def test_a_line_of_a_file_is_bounded_whatever_names_are(tmp_path: Path) -> None:
    file, name = tmp_path / "alerts.jsonl", "\u540d" * 1000
    line = Line(Level.HIGH, "stale", name, name, "opened", "f1", "project", name)
    flood = replace(alert("f1"), kind=AlertKind.DIGEST, lines=(line,) * 1000)
    await build("file", {"type": "jsonl", "path": str(file)}).send(flood, Context())
    told = json.loads(file.read_text())
    assert file.stat().st_size <= 1_000_001
    assert 300 < len(told["lines"]) < 1000
    assert len(told["lines"]) + told["lines_omitted"] == 1000
