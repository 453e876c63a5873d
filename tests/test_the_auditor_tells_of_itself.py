"""When the auditor cannot see any more, that is told, to whoever runs it, and nothing holds it back."""

from pathlib import Path

from audits import begin, opened, passed
from organization import NOW, small

from auditor.alerts.message import Alert, AlertKind, decode
from auditor.store import outbox
from auditor.store.database import Store
from auditor.terms import Level

DAY = 86_400


def notices(store: Store, start: str) -> list[Alert]:
    with store.transaction() as tx:
        alerts = [decode(each.message.alert) for each in outbox.listing(tx, limit=1000) if each.message.sink == "here"]
    return [each for each in alerts if each.id.startswith(start)]


async def test_a_key_that_is_refused_is_told_once_a_day_and_nothing_holds_it_back(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        begin(store)
        for now in (NOW, NOW + 900, NOW + DAY):
            await passed(small(), store, now, keys={"another key"})
        told = notices(store, "notice/refused/acme/")
    assert len(told) == 2
    assert {(each.kind, each.level, each.protected) for each in told} == {(AlertKind.NOTICE, Level.CRITICAL, True)}
    assert "acme" in told[0].text


async def test_a_key_that_never_worked_is_told_where_it_was_set_and_not_to_the_sinks(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        await passed(small(), store, NOW, keys={"another key"})
        assert notices(store, "notice/refused/") == []


async def test_a_refused_list_is_no_refused_key(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        begin(store)
        await passed(small(), store, NOW, refuse={"project_api_key"})
        assert notices(store, "notice/refused/") == []
