"""What was given up goes out again when somebody asks for it: as if it was new, in order, never after newer news."""

from deliveries import Channel, alert, deliver, later, put, routing, rows

from auditor.alerts.deliver import Delivered
from auditor.alerts.message import Alert, AlertKind
from auditor.errors import DeliveryError
from auditor.store import leases
from auditor.store.database import Store
from auditor.store.dead import revive
from auditor.store.outbox import Entry

pytest_plugins = ["databases"]

AT_ONCE = {"to": ["chat"], "group_by": ["..."], "group_wait": "0s", "group_interval": "0s"}
ENDED = AlertKind.RESOLVED


async def refuse(_alert: Alert) -> None:
    raise DeliveryError("400", retryable=False)


def retry(store: Store, *ids: str) -> tuple[list[Entry], list[Entry]]:
    with store.transaction() as tx:
        return revive(tx, ["chat"], ids or None)


def named(entries: list[Entry]) -> list[str]:
    return [each.message.id for each in entries]


async def test_they_go_out_in_the_order_of_their_writing_and_are_new(store: Store) -> None:
    made = [alert("a"), alert("b"), alert("a", kind=ENDED, at=1_767_225_700)]
    for each in made:
        put(store, routing(AT_ONCE), each)
        await deliver(store, Channel(refuse))
    later(store, 80 * 3600)
    back, overtaken = retry(store)
    assert (named(back), overtaken) == ([each.id for each in made], [])
    assert {(each.state, each.attempts, each.error, each.settled_at) for each in back} == {("pending", 0, "", None)}

    async def fail(_alert: Alert) -> None:
        raise DeliveryError("503", retryable=True)

    assert (await deliver(store, Channel(fail))).dead == 0, "the three days begin anew"
    later(store, 60)
    channel = Channel()
    await deliver(store, channel)
    told = [each.id for each in channel.got if each.kind is not AlertKind.DIGEST]
    lines = [line.message for each in channel.got for line in each.lines]
    assert (sorted(told), lines) in (
        (sorted(each.id for each in made), []),
        ([made[1].id], ["Text", "resolved: Text"]),
    )


async def test_what_was_overtaken_stays_given_up(store: Store) -> None:
    put(store, routing(AT_ONCE), alert("a"), alert("b"))
    await deliver(store, Channel(refuse))
    put(store, routing(AT_ONCE), alert("a", kind=ENDED, at=1_767_225_700))
    with store.transaction() as tx:
        leases.lease(tx, ["chat"], "other", 60, 1)
    assert named(retry(store, alert("a").id)[1]) == [alert("a").id], "the newer one is on its way"
    later(store, 100)
    assert await deliver(store, Channel()) == Delivered(sent=1)
    back, overtaken = retry(store)
    assert (named(back), named(overtaken)) == ([alert("b").id], [alert("a").id])
    assert named(rows(store, "dead")) == [alert("a").id]


async def test_one_that_waits_for_its_turn_waits_for_what_is_older(store: Store) -> None:
    put(store, routing(AT_ONCE), alert("a"))
    await deliver(store, Channel(refuse))
    put(store, routing(AT_ONCE), alert("a", kind=ENDED, at=1_767_225_700))
    assert named(retry(store)[0]) == [alert("a").id]
    channel = Channel()
    await deliver(store, channel)
    assert [each.kind for each in channel.got] == [AlertKind.OPENED, ENDED]
