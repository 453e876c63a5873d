"""What belongs together is told in one message, not before its time, not twice, in order, and over a restart."""

import asyncio
import contextlib
import shutil
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from deliveries import Channel, alert, deliver, later, put, routing, rows, waits
from figures import Figure
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.alerts.deliver import Delivered
from auditor.alerts.grouping import Timing, joins, repeats, told_at
from auditor.alerts.message import Alert, AlertKind, encode
from auditor.errors import DeliveryError
from auditor.store import leases, outbox
from auditor.store.database import Store, open_store
from auditor.terms import Level

pytest_plugins = ["databases"]


_timings = st.builds(Timing, st.integers(0, 60), st.integers(0, 600))
_arrivals = st.lists(st.floats(0, 200), min_size=1, max_size=40)


@given(_timings, _arrivals)
def test_no_message_is_early_or_late_or_too_soon_after_another(timing: Timing, pauses: list[float]) -> None:
    now = 1_000_000.0
    last: float | None = None
    planned: list[float] = []
    for pause in pauses:
        now += pause
        past, ahead = [at for at in planned if at <= now], [at for at in planned if at > now]
        told = told_at(max(past, default=None), min(ahead, default=None), now, timing)
        planned.append(told)
        assert now <= told <= now + max(timing.wait, timing.interval) + 1e-6
        begins = last is None or told != last
        if begins:
            assert told >= now + timing.wait
        if begins and last is not None:
            assert told - last >= timing.interval - 1e-6
        assert last is None or told >= last
        last = told


def test_an_alert_joins_the_message_that_is_still_to_go_out() -> None:
    timing = Timing(30, 300)
    assert told_at(None, None, 1000, timing) == 1030
    assert told_at(None, 1030, 1020, timing) == 1030
    assert told_at(1030, None, 1031, timing) == 1330, "the next message of the group is an interval later"
    assert told_at(1030, None, 1320, timing) == 1350, "and still waits for others"
    assert told_at(1030, None, 5000, timing) == 5030


def test_a_clock_that_was_ahead_holds_no_alert_back_for_longer_than_it_may() -> None:
    assert told_at(None, 1_000_000, 1000, Timing(30, 300)) == 1030
    assert told_at(900, 1_000_000, 1000, Timing(30, 300)) == 1200


async def test_what_is_urgent_goes_out_in_its_time_and_takes_along_what_waits(store: Store) -> None:
    table, channel = routing(), Channel()
    put(store, table, alert("a", level=Level.LOW), alert("b", level=Level.LOW))
    put(store, table, alert("c", level=Level.CRITICAL))
    assert all(wait <= 1 for wait in waits(store))
    later(store, 2)
    await deliver(store, channel)
    put(store, table, alert("d", level=Level.LOW), alert("e", level=Level.CRITICAL))
    later(store, 310)
    await deliver(store, channel)
    assert [sorted(each) for each in channel.told] == [["a", "b", "c"], ["d", "e"]]


async def test_what_nothing_may_hold_back_waits_for_no_group(store: Store) -> None:
    slow = {"to": ["chat"], "group_by": ["organization"], "group_wait": "3650d", "group_interval": "12h"}
    table, channel = routing(slow), Channel()
    put(store, table, alert("a"))
    put(store, table, replace(alert("b"), protected=True))
    later(store, 2)
    await deliver(store, channel)
    put(store, table, alert("c"))
    put(store, table, replace(alert("d"), protected=True))
    later(store, 2)
    await deliver(store, channel)
    assert [sorted(each) for each in channel.told] == [["a", "b"], ["c", "d"]]


def test_repeating_is_counted_from_the_last_message() -> None:
    assert not repeats(86_399, Timing(repeat=86_400))
    assert repeats(86_400, Timing(repeat=86_400))
    assert not repeats(10**9, Timing(repeat=0))


def test_what_is_told_again_takes_along_what_was_not_told_lately() -> None:
    assert not joins(43_199, Timing(repeat=86_400))
    assert joins(43_200, Timing(repeat=86_400))
    assert not joins(10**9, Timing(repeat=0))


async def test_alerts_of_one_group_are_one_message_once_it_has_waited(store: Store) -> None:
    table, channel = routing(), Channel()
    put(store, table, *(alert(name, level=Level.LOW) for name in "abc"))
    assert await deliver(store, channel) == Delivered()
    later(store, 29)
    put(store, table, alert("d", level=Level.LOW))
    assert await deliver(store, channel) == Delivered()
    later(store, 1.5)
    assert await deliver(store, channel) == Delivered(sent=1)
    assert channel.told == [["a", "b", "c", "d"]]
    assert channel.got[0].title == "4 \N{MULTIPLICATION SIGN} Title"


async def test_one_alert_alone_goes_out_as_itself(store: Store) -> None:
    channel = Channel()
    put(store, routing(), alert("a"))
    assert list(waits(store)) == [1], "what is high waits a second"
    later(store, 2)
    await deliver(store, channel)
    assert [each.kind for each in channel.got] == [AlertKind.OPENED]


async def test_groups_of_different_values_wait_for_each_other_in_nothing(store: Store) -> None:
    channel = Channel()
    put(store, routing(), alert("a"), alert("b", policy="other"), alert("c", organization="other"), alert("d"))
    later(store, 2)
    assert await deliver(store, channel) == Delivered(sent=3)
    assert sorted(channel.told) == [["a", "d"], ["b"], ["c"]]


async def test_the_next_message_of_a_group_waits_for_the_interval_over_a_restart(store: Store) -> None:
    table, channel = routing(), Channel()
    put(store, table, alert("a"))
    later(store, 2)
    await deliver(store, channel)
    put(store, table, alert("b"))
    put(store, table, alert("c"))
    assert set(waits(store)) <= {298, 299}
    later(store, 290)
    assert await deliver(store, channel) == Delivered()
    later(store, 20)
    await deliver(store, channel)
    assert channel.told == [["a"], ["b", "c"]]


async def test_a_finding_that_ends_while_it_waits_is_told_in_one_message_in_order(store: Store) -> None:
    table, channel = routing(), Channel()
    put(store, table, alert("a"), alert("b"))
    put(store, table, alert("a", kind=AlertKind.RESOLVED, at=ALERT_LATER))
    later(store, 2)
    assert await deliver(store, channel) == Delivered(sent=1)
    assert [line.message for line in channel.got[0].lines] == ["Text", "Text", "resolved: Text"]


ALERT_LATER = 1_767_225_700


async def test_a_digest_that_may_have_arrived_is_told_again_as_that_digest_and_nothing_else(store: Store) -> None:
    async def silence(_alert: Alert) -> None:
        if len(channel.tried) == 1:
            raise DeliveryError("no answer", retryable=True)

    table, channel = routing(), Channel(silence)
    put(store, table, alert("a"), alert("b"))
    later(store, 2)
    assert await deliver(store, channel) == Delivered(failed=2)
    put(store, table, alert("c"))
    later(store, 400)
    await deliver(store, channel)
    assert channel.told == [["a", "b"], ["c"]]
    assert channel.tried[0] == channel.tried[1]


async def test_who_comes_late_to_a_message_that_was_tried_does_not_change_it(store: Store) -> None:
    async def silence(_alert: Alert) -> None:
        if len(channel.tried) == 1:
            raise DeliveryError("no answer", retryable=True)

    channel = Channel(silence)
    put(store, routing(), alert("a"), alert("b"))
    later(store, 2)
    assert await deliver(store, channel) == Delivered(failed=2)
    (first, _) = (entry.message for entry in rows(store))
    late = alert("c")
    with store.transaction() as tx:  # as of a long transaction that began before the message went out
        outbox.add(tx, [replace(first, id=late.id, alert=encode(late), order_key="c")])
    later(store, 60)
    await deliver(store, channel)
    assert sorted(channel.told) == [["a", "b"], ["c"]]
    assert channel.tried.count(channel.tried[0]) == 2


class Death(BaseException):
    """The process ends here. No Exception: nothing may catch it, as nothing does the real one."""


async def test_a_process_that_ends_before_it_settles_repeats_that_one_message(store: Store) -> None:
    async def die(_alert: Alert) -> None:
        if len(channel.tried) == 1:
            raise Death

    table, channel = routing(), Channel(die)
    put(store, table, alert("a"), alert("b"), alert("c"))
    later(store, 2)
    with pytest.raises(BaseExceptionGroup) as ended:
        await deliver(store, channel)
    assert ended.group_contains(Death)
    put(store, table, alert("d"))
    later(store, 400)
    assert await deliver(store, channel) == Delivered(sent=2)
    assert sorted(channel.told) == [["a", "b", "c"], ["d"]]
    assert channel.tried.count(channel.tried[0]) == 2


async def test_one_alert_that_a_sink_never_takes_does_not_keep_the_others_of_its_group(store: Store) -> None:
    async def refuse(told: Alert) -> None:
        if "bad" in [told.resource_name, *(line.resource for line in told.lines)]:
            raise DeliveryError("400", retryable=False)

    channel = Channel(refuse)
    put(store, routing(), *(alert(name) for name in ("a", "b", "bad", "c", "d")))
    later(store, 2)
    done = await deliver(store, channel)
    assert done.dead == 1
    assert sorted(name for names in channel.told for name in names) == ["a", "b", "c", "d"]
    assert [each.message.id for each in rows(store, "dead")] == [alert("bad").id]


async def test_what_is_queued_twice_is_told_once(store: Store) -> None:
    table, channel = routing(), Channel()
    put(store, table, alert("a"))
    put(store, table, alert("a"))
    later(store, 2)
    await deliver(store, channel)
    put(store, table, alert("a"))
    later(store, 400)
    await deliver(store, channel)
    assert channel.told == [["a"]]


async def test_a_route_may_tell_each_alert_at_once(store: Store) -> None:
    table = routing({"to": ["chat"], "group_by": ["..."], "group_wait": "0s", "group_interval": "0s"})
    channel = Channel()
    put(store, table, alert("a"), alert("b"))
    assert await deliver(store, channel) == Delivered(sent=2)
    assert channel.told == [["a"], ["b"]]


async def test_a_message_that_another_process_holds_keeps_the_order_of_its_finding(store: Store) -> None:
    table = routing()
    put(store, table, alert("a"))
    put(store, table, alert("b"))
    put(store, table, alert("a", kind=AlertKind.RESOLVED, at=ALERT_LATER))
    later(store, 2)
    with store.transaction() as tx:
        (held,) = leases.lease(tx, ["chat"], "other", 60, 1)
        assert held.message.id == alert("a").id
    channel = Channel()
    assert await deliver(store, channel) == Delivered(sent=1)
    assert channel.told == [["b"]], "what ended may be told only after what began"


_steps = st.tuples(
    st.sampled_from(["change", "deliver", "die after sending"]), st.integers(0, 3), st.integers(1, 400), st.booleans()
)


def test_nothing_is_lost_or_out_of_order_in_any_history(
    tmp_path_factory: pytest.TempPathFactory, figure: Figure
) -> None:
    """Findings open and end, sinks fail, processes die, time passes; in the end all is told.

    A death after the sending repeats that one message, under its id; nothing else is told twice.
    """
    histories = messages = deaths = 0
    empty = tmp_path_factory.mktemp("empty") / "auditor.db"
    open_store(f"sqlite:///{empty}").close()

    @settings(max_examples=200, deadline=None)
    @given(st.lists(_steps, min_size=1, max_size=20))
    def run(history: list[tuple[str, int, int, bool]]) -> None:
        nonlocal histories, messages, deaths
        copy = empty.with_name(f"{histories}.db")
        shutil.copy(empty, copy)
        opened = open_store(f"sqlite:///{copy}")
        world = _World(opened)
        asyncio.run(world.play(history))
        opened.close()
        histories, messages, deaths = histories + 1, messages + len(world.channel.got), deaths + world.deaths

    run()
    figure(f"{histories} histories, {messages} messages, {deaths} deaths: none lost, early or out of order")


class _World:
    """A sink that fails and a process that dies when it is asked to."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.channel = Channel(self._trouble)
        self.table = routing({"to": ["chat"], "group_by": ["policy"]})
        self.changes: dict[str, list[str]] = defaultdict(list)
        self.fails = self.dies = False
        self.deaths = 0

    async def _trouble(self, told: Alert) -> None:
        if self.dies:
            self.dies = False
            self.deaths += 1
            self.channel.got.append(told)
            raise Death
        if self.fails:
            raise DeliveryError("503", retryable=True)

    async def play(self, history: list[tuple[str, int, int, bool]]) -> None:
        for number, (step, which, seconds, fails) in enumerate(history):
            self.fails, self.dies = fails, step == "die after sending"
            if step == "change":
                self._change(f"f{which}", f"p{which % 2}", number)
            else:
                with contextlib.suppress(BaseExceptionGroup):
                    await deliver(self.store, self.channel)
            later(self.store, seconds)
        self.fails = self.dies = False
        for _ in range(len(history) + 2):
            later(self.store, 2000, aging=False)
            await deliver(self.store, self.channel)
        self._check()

    def _change(self, name: str, policy: str, number: int) -> None:
        kind = AlertKind.RESOLVED if len(self.changes[name]) % 2 else AlertKind.OPENED
        change = f"{name}-{len(self.changes[name])}"
        self.changes[name].append(change)
        made = alert(name, kind=kind, at=ALERT_LATER + number, resource_name=change, policy=policy)
        put(self.store, self.table, made)

    def _check(self) -> None:
        got = self.channel.got
        once = list({each.id: each for each in got}.values())
        assert len(got) - len(once) <= self.deaths
        told = [name for each in once for name in ([line.resource for line in each.lines] or [each.resource_name])]
        assert sorted(told) == sorted(change for each in self.changes.values() for change in each)
        for name, expected in self.changes.items():
            assert [each for each in told if each.startswith(f"{name}-")] == expected
        _spaced(self.store)


def _spaced(store: Store) -> None:
    """Of each group, messages are planned no closer than the interval, and none before it has waited."""
    planned: dict[str, set[float]] = defaultdict(set)
    for entry in rows(store):
        assert entry.message.flush_at is not None
        planned[entry.message.group].add(round(entry.message.flush_at, 1))
    for times in planned.values():
        assert all(after - before >= 299.5 for before, after in pairwise(sorted(times)))
