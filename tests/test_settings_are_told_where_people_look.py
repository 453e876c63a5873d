"""What is known of settings, and how: in the store, the report, the terminal and the messages, safe and only once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from audits import POLICIES, SQLITE_ONLY, auditing, begin, stood
from hostile import PAYLOADS
from markup import outline
from organization import NOW, served, small

from auditor.alerts.message import Alert, AlertKind, decode
from auditor.assembly import assemble
from auditor.cli import call, render
from auditor.config import Findings
from auditor.configfile import read
from auditor.errors import FaultyFiles
from auditor.inventory.attestations import Attestation
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.reporting.build import build
from auditor.reporting.render import render_report
from auditor.simulator import auditlog
from auditor.simulator.model import Organization
from auditor.store import findings, intervals, outbox, settings, tables
from auditor.store.database import Store, open_store
from auditor.store.settings import SettingLine
from auditor.terms import Stream

pytest_plugins = ["databases"]

DAY = 86_400
WORD = Attestation("sso_enforced", True, "ada@example.com", NOW - DAY, NOW + 100 * DAY, "https://wiki.example.com/sso")
SCIM = replace(WORD, setting="scim_enabled", until=NOW + 90 * DAY)


@pytest.fixture
def organization() -> Organization:
    return small()


async def passed(organization: Organization, store: Store, now: int, *attestations: Attestation) -> None:
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            vouched = replace(audit, attestations=attestations)
            await take(vouched, await poll(vouched, now), now)


def lines(store: Store) -> dict[str, SettingLine]:
    with store.transaction() as tx:
        return {line.name: line for line in settings.read(tx, "acme").lines}


def notices(store: Store) -> list[Alert]:
    with store.transaction() as tx:
        alerts = [decode(each.message.alert) for each in outbox.listing(tx, limit=1000)]
    return [each for each in alerts if each.kind is AlertKind.NOTICE]


def happened(organization: Organization, kind: str, at: int, **payload: object) -> auditlog.Event:
    actor = auditlog.session(organization.owners[0], "192.0.2.1")
    return organization.log.record(kind, at, actor, payload)


async def test_every_setting_is_stored_with_its_value_and_where_it_comes_from(
    store: Store, organization: Organization
) -> None:
    await passed(organization, store, NOW, WORD)
    found = lines(store)
    logging = found["api_call_logging"]
    assert (logging.value, logging.source) == ("disabled", "observed")
    assert logging.event in {event.id for event in organization.log.events}
    assert found["default_project_id"].value == organization.default_project.id
    assert (found["ip_allowlist_active"].value, found["audit_logging"].value) == ("false", "true")
    attested = found["sso_enforced"]
    assert (attested.value, attested.source, attested.by) == ("true", "attested", "ada@example.com")
    assert (found["scim_enabled"].value, found["scim_enabled"].source) == (None, "unknown")


@SQLITE_ONLY
async def test_the_scopes_of_keys_are_joined_and_a_key_with_all_permissions_is_found(
    store: Store, organization: Organization
) -> None:
    one, two = [key for project, key in organization.project_keys() if project.record.status == "active"][:2]
    happened(organization, "api_key.updated", NOW - 9, id=one.id, changes_requested={"scopes": []})
    happened(organization, "api_key.updated", NOW - 9, id=two.id, changes_requested={"scopes": ["api.model.read"]})
    await passed(organization, store, NOW)
    with store.transaction() as tx:
        found = findings.search(tx, "acme", policy="key-with-all-permissions")
    assert one.id in {finding.ids[-1] for finding in found}
    assert two.id not in {finding.ids[-1] for finding in found}


@SQLITE_ONLY
async def test_an_attestation_that_an_event_contradicts_is_told_once(store: Store, organization: Organization) -> None:
    begin(store)
    await passed(organization, store, NOW, SCIM)
    assert not [each for each in notices(store) if "attest" in each.title]
    happened(organization, "scim.disabled", NOW + 50, id="x")
    for now in (NOW + 100, NOW + 200, NOW + 300):
        await passed(organization, store, now, SCIM)
    told = [each for each in notices(store) if "attest" in each.title]
    assert len({each.id for each in told}) == 1
    assert "ada@example.com attested scim_enabled" in told[0].text
    assert lines(store)["scim_enabled"].attestation == "contradicted"


@SQLITE_ONLY
async def test_an_unknown_type_of_event_is_kept_told_once_ever_and_shown(
    store: Store, organization: Organization
) -> None:
    begin(store)
    await passed(organization, store, NOW)
    happened(organization, "robot.created", NOW + 10, id="r_1")
    happened(organization, "robot.created", NOW + 11, id="r_2")
    await passed(organization, store, NOW + 60)
    happened(organization, "robot.created", NOW + 70, id="r_3")
    await passed(organization, store, NOW + 4000)
    told = [each for each in notices(store) if "type of audit event" in each.title]
    assert len({each.id for each in told}) == 1
    assert told[0].text.startswith("robot.created: ")
    with store.transaction() as tx:
        (standing,) = findings.search(tx, "acme", policy="unknown-event-type")
    assert "robot.created" in standing.message
    html = render_report(build(store, "acme", POLICIES.by_name, Findings(), start=NOW - DAY, now=NOW + 5000))
    assert "<code>robot.created</code> (3)" in html


@SQLITE_ONLY
async def test_many_unknown_types_at_once_are_one_message(store: Store, organization: Organization) -> None:
    begin(store)
    for number in range(30):
        happened(organization, f"robot_{number}.created", NOW - 10, id="r")
    await passed(organization, store, NOW)
    assert not notices(store)
    with store.transaction() as tx:
        alerts = [decode(each.message.alert) for each in outbox.listing(tx, limit=1000)]
    folded = [each for each in alerts if any("robot_7.created" in line.message for line in each.lines)]
    assert len({each.id for each in folded}) == 1
    assert len(folded[0].lines) == 30


async def test_a_hole_in_the_log_is_found_reported_and_makes_settings_unknown(
    store: Store, organization: Organization
) -> None:
    await stood(store)
    with store.transaction() as tx:
        ((since, until),) = intervals.read(tx, "acme", Stream.ORGANIZATION)
        tx.execute(tables.intervals.delete())
        for part in ((since, NOW - 8 * DAY), (NOW - 7 * DAY, until)):
            intervals.prove(tx, "acme", Stream.ORGANIZATION, part)
    await passed(organization, store, NOW + 60)
    with store.transaction() as tx:
        (finding,) = findings.search(tx, "acme", policy="audit-log-hole")
    assert "86400 seconds" in finding.message
    assert lines(store)["api_call_logging"].value is None
    assert "not read whole" in lines(store)["api_call_logging"].why
    html = render_report(build(store, "acme", POLICIES.by_name, Findings(), start=NOW - DAY, now=NOW + 60))
    assert "not read from" in html


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_hostile_names_change_neither_the_report_nor_the_terminal(
    tmp_path: Path, payload: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/auditor.db"
    store = open_store(url)
    line = SettingLine("title", payload, "observed", 1, payload, "in force", payload, NOW, payload, payload)
    with store.transaction() as tx:
        settings.write(tx, "acme", NOW, [line, replace(line, name=payload, value=None)])
        intervals.prove(tx, "acme", Stream.TENANT, (1, 2))
    html = render_report(build(store, "acme", {}, Findings(), start=NOW - DAY, now=NOW))
    store.close()
    seen = outline(html)
    assert seen.faults == []
    assert not {"script", "img", "iframe"} & set(seen.tags)
    (tmp_path / "key").write_text("sk-admin-key")
    config = tmp_path / "auditor.yaml"
    config.write_text(f"organizations: {{acme: {{admin_key_file: {tmp_path}/key}}}}\nstore: {url}\n")
    assert call(["settings", "-c", str(config)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b]" not in printed
    assert not [each for each in printed if ord(each) < 32 and each not in "\n\t\x1b"]
    assert call(["settings", "-c", str(config), "-o", "json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert [each["value"] for each in document["settings"]] == [payload, None]


async def test_a_check_says_whose_word_was_taken_until_when(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    over = replace(SCIM, until=NOW - 1)
    store = open_store(f"sqlite:///{tmp_path}/auditor.db")
    with served(small()) as (address, _):
        async with auditing(address, store) as audit:
            vouched = replace(audit, attestations=(WORD, over))
            taken = await take(vouched, await poll(vouched, NOW), NOW)
    store.close()
    render.check([taken], "table")
    printed = capsys.readouterr().out
    assert "sso_enforced: attested by ada@example.com until 2026-04-10, in force" in printed
    assert "scim_enabled: attested by ada@example.com until 2025-12-31T23:59:59Z, expired" in printed
    (word,) = (each for each in render.document([taken])["settings"] if each["setting"] == "sso_enforced")
    assert (word["value"], word["source"], word["by"]) == ("true", "attested", "ada@example.com")


def test_the_configuration_names_the_file_and_its_faults_refuse_the_whole(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-admin-key")
    config = tmp_path / "auditor.yaml"
    text = f"organizations: {{acme: {{admin_key_file: {tmp_path}/key}}}}\nattestations: ./words/attestations.yaml\n"
    config.write_text(text)
    with pytest.raises(FaultyFiles, match=r"auditor\.yaml:2:1: there is no file"):
        assemble(read(config))
    (tmp_path / "words").mkdir()
    file = tmp_path / "words" / "attestations.yaml"
    good = "- {setting: mfa_enforced, value: true, by: ada, on: 2026-01-01, until: 2026-12-31, evidence: a ticket}\n"
    file.write_text(good)
    (one,) = assemble(read(config)).attestations
    assert one.setting == "mfa_enforced"
    file.write_text(good.replace("mfa", "mfaa"))
    with pytest.raises(FaultyFiles, match=r"attestations\.yaml:1:4: `mfaa_enforced` is no setting"):
        assemble(read(config))


def test_the_commands_say_what_is_known_and_what_is_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("sk-admin-key")
    config = tmp_path / "auditor.yaml"
    url = f"sqlite:///{tmp_path}/auditor.db"
    config.write_text(f"organizations: {{acme: {{admin_key_file: {tmp_path}/key}}}}\nstore: {url}\n")
    open_store(url).close()
    assert call(["settings", "-c", str(config)]) == 0
    assert "no snapshot was taken yet" in capsys.readouterr().out
    assert call(["settings", "-c", str(config), "--organization", "acne"]) == 2
    assert "did you mean `acme`" in capsys.readouterr().err
    store = open_store(url)
    with store.transaction() as tx:
        for part in ((NOW, NOW + 60), (NOW + 120, NOW + 180)):
            intervals.prove(tx, "acme", Stream.ORGANIZATION, part)
        settings.write(
            tx, "acme", NOW, [SettingLine("scim_enabled", "true", "attested", NOW, "", "in force", "Ada", NOW)]
        )
    store.close()
    assert call(["events", "coverage", "-c", str(config)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "organization stream proven read from 2026-01-01T00:00:00Z to 2026-01-01T00:03:00Z, 1 hole" in printed
    assert "not read from 2026-01-01T00:01:00Z to 2026-01-01T00:02:00Z" in printed
    assert "nothing of the tenant stream is proven read yet" in printed
    assert call(["events", "coverage", "-c", str(config), "-o", "json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["streams"][0]["holes"] == [{"since": "2026-01-01T00:01:00Z", "until": "2026-01-01T00:02:00Z"}]
    assert call(["settings", "-c", str(config)]) == 0
    assert "in force: Ada, until 2025-12-31" in " ".join(capsys.readouterr().out.split())
