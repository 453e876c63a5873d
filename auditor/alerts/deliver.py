"""Takes alerts from the outbox to the sinks: lease, send, settle. At least once, the same id on every try.

Every sink has its own lane: a slow, dead or hostile one delays no other.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import Any, TypeVar

import msgspec

from auditor import clock, log
from auditor.alerts import bugs, conversing, outages
from auditor.alerts.conversation import Turn
from auditor.alerts.deadletters import each_of, give_up, left_out, title_of
from auditor.alerts.gate import Gate
from auditor.alerts.lane import FOLD_MAX, FOLD_MAX_KEPT, UNLIMITED, Lane, Terms
from auditor.alerts.leasing import Leaser, Taken
from auditor.alerts.load import Load, loaded
from auditor.alerts.message import Alert, decode
from auditor.alerts.sink import Context, Receipt, Sink
from auditor.errors import DeliveryError, StoreError
from auditor.store import leases, outbox, tally
from auditor.store.database import Store, Transaction
from auditor.store.outbox import Leased, Message

_log = log.get(__name__)

T = TypeVar("T")

_LATE = 3600
"""Seconds after its first try for which a message may fail before that is told: a process may try once and end."""
_ORPHANS = 3600
"""Seconds between looks for messages to sinks that are not configured any more."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of the messages that were due."""

    sent: int = 0
    failed: int = 0
    """Tries without confirmation; the message is tried again."""
    dead: int = 0
    """Messages given up."""
    suppressed: int = 0
    """Messages held back by a silence, a mute time or an inhibition."""

    def __add__(self, other: "Delivered") -> "Delivered":
        return Delivered(
            self.sent + other.sent,
            self.failed + other.failed,
            self.dead + other.dead,
            self.suppressed + other.suppressed,
        )


class Deliverer:
    """Delivers what the outbox of `store` holds for `sinks`.

    `owner` names this process in leases. `on_delivered` is called with each alert that a sink confirmed and the name
    of the sink, `on_turn` with the name of a sink and what came of its messages. `gate` may hold messages back. A bug
    delays the messages of the one sink whose lane it is in, and is logged as an error: others go on.
    """

    def __init__(
        self,
        store: Store,
        sinks: Mapping[str, Sink],
        owner: str,
        *,
        terms: Terms | None = None,
        gate: Gate | None = None,
        now: clock.Clock = clock.now,
        chance: Callable[[], float] = random.random,
        on_delivered: Callable[[Alert, str], None] | None = None,
        on_turn: Callable[[str, Delivered], None] = lambda _sink, _delivered: None,
    ) -> None:
        self._store = store
        self._sinks = dict(sinks)
        self._owner = owner
        self._terms = terms or Terms()
        self._leaser = Leaser(self._sinks, owner, ceil(self._terms.send_timeout + self._terms.settle_margin), gate)
        self._now = now
        self._tell = on_delivered or (lambda _alert, _sink: None)
        self._count = on_turn
        self._lanes = {name: Lane(name, _terms_of(sink, self._terms), chance) for name, sink in sinks.items()}
        self._awake = {name: asyncio.Event() for name in sinks}

    def wake(self) -> None:
        """Look into the outbox now: something was just put there."""
        for event in self._awake.values():
            event.set()

    async def deliver_due(self) -> Delivered:
        """Send what is due and return when no lane can do more now. Other lanes do not wait for a slow one."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._empty(lane)) for lane in self._lanes.values()]
        return sum((task.result() for task in tasks), Delivered())

    async def drain(self, stop: asyncio.Event, grace: float = 3) -> None:
        """Deliver until `stop`, and then what is due still, for at most `grace` seconds.

        One that is cut off stays leased and goes out again, under the same id, when the lease ends.
        """
        async with asyncio.TaskGroup() as group:
            lanes = [group.create_task(self._follow(lane, stop)) for lane in self._lanes.values()]
            orphans = group.create_task(self._look_for_orphans())
            await stop.wait()
            orphans.cancel()
            self.wake()
            if lanes:
                _, late = await asyncio.wait(lanes, timeout=grace)
                for task in late:
                    task.cancel()

    async def _follow(self, lane: Lane, stop: asyncio.Event) -> None:
        awake = self._awake[lane.sink]
        while not stop.is_set():
            awake.clear()
            if await self._guarded_turn(lane) is None and not stop.is_set():
                await _wait(awake, self._terms.poll)
        await self._empty(lane)

    async def _empty(self, lane: Lane) -> Delivered:
        total = Delivered()
        while (done := await self._guarded_turn(lane)) is not None:
            total += done
        return total

    async def _guarded_turn(self, lane: Lane) -> Delivered | None:
        """A store that cannot be read or written now delays; what was leased comes back when the lease ends.

        So does a bug. One that comes again and again lets the lane rest.
        """
        try:
            done = await self._turn(lane)
            if done is not None:
                self._count(lane.sink, done)
        except StoreError as error:
            _log.error("alerts.store_failed", sink=lane.sink, error=error.message)
            return None
        except Exception:  # noqa: BLE001 - the other lanes, and the daemon, go on
            bugs.noted("lane.broke", lane.sink)
            lane.failed(self._seconds(), None)
            return None
        return done

    async def _turn(self, lane: Lane) -> Delivered | None:
        """Lease and handle one message, or many as one digest. None when there is nothing to do now."""
        taken = await self._taken(lane)
        held_back = Delivered(suppressed=taken.suppressed)
        if not taken.leased:
            return held_back if taken.again else None
        load, rest = await self._loaded(lane, taken.leased)
        rest += held_back
        return rest if load is None else rest + await self._sent(lane, load)

    async def _loaded(self, lane: Lane, leased: Sequence[Leased]) -> tuple[Load | None, Delivered]:
        """What of `leased` can go out; the unreadable is given up, and what cannot be told together is told apart."""
        alerts: list[tuple[Leased, Alert]] = []
        unreadable = Delivered()
        for one in leased:
            try:
                alerts.append((one, decode(one.message.alert)))
            except msgspec.DecodeError as error:
                reason = f"the stored alert cannot be read: {error}"
                unreadable += await self._bury(lane.sink, [(one, one.message.id)], reason)
        if not alerts:
            return None, unreadable
        apart = Load(alerts[0][1], alerts)
        try:
            with bugs.as_failure("the digest", lane.sink, apart.alert.id):
                return loaded(alerts, int(self._seconds())), unreadable
        except DeliveryError as error:
            return None, unreadable + await self._unfold(lane, apart, error)

    async def _sent(self, lane: Lane, load: Load) -> Delivered:
        sink = self._sinks[lane.sink]
        marks = all(alert.marks for alert in load.alerts)
        try:
            with bugs.as_failure("the conversation", lane.sink, load.alert.id):
                turn = await self._turn_of(lane, load)
            if turn is None and marks and not sink.keeps_state:
                return await self._unsaid(lane, load)
            context = Context(load.attempt, turn, load.alerts, load.kept, partial(self._keep, load))
            receipt = await self._send(sink, load.alert, context)
        except DeliveryError as error:
            return await self._failed(lane, load, error)
        counts = not (marks and sink.keeps_state)
        lane.sent(self._seconds(), load.group, counts=counts, protected=load.protected)
        await self._settle(lane, load, turn, receipt)
        _log.info("alert.sent", sink=lane.sink, alert=load.alert.id, attempt=load.attempt, told=len(load.parts))
        self._tell(load.alert, lane.sink)
        return Delivered(sent=1)

    async def _keep(self, load: Load, kept: Mapping[str, Any]) -> None:
        await self._each(load, lambda tx, leased: outbox.keep(tx, leased, kept))

    async def _turn_of(self, lane: Lane, load: Load) -> Turn | None:
        if not self._sinks[lane.sink].converses:
            return None
        now = int(self._seconds())
        return await self._transact(lambda tx: conversing.turn_of(tx, lane.sink, load.parts, now))

    async def _unsaid(self, lane: Lane, load: Load) -> Delivered:
        """What people decided is marked where the finding was told, and nowhere else; a digest of many shows no marks.

        Those of several conversations are shown when each is next changed.
        """

        def settle(tx: Transaction) -> None:
            each_of(load.leased, lambda leased: outbox.suppress(tx, leased, "nothing to mark", final=True))
            conversing.note(tx, lane.sink, load.parts)

        await self._transact(settle)
        return Delivered()

    async def _settle(self, lane: Lane, load: Load, turn: Turn | None, receipt: Receipt) -> None:
        """What was confirmed and how the conversation stands with it, in one transaction."""
        folded = {outbox.DIGEST: load.alert.id} if len(load.parts) > 1 else {}
        details, now = {**receipt.recorded, **folded}, int(self._seconds())
        tellers = self._others(lane.sink) or [lane.sink]

        def settle(tx: Transaction) -> None:
            if not each_of(load.leased, lambda leased: outbox.settle(tx, leased, details)):
                return
            left_out(tx, lane.sink, load.alert, receipt.refused, tellers, now)
            if turn:
                conversing.keep(tx, lane.sink, load.parts, turn, receipt.place, now)
            elif self._sinks[lane.sink].converses:
                conversing.note(tx, lane.sink, load.parts)

        try:
            await self._transact(settle)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - what was confirmed must not go out again and again
            bugs.noted("conversation.broke", lane.sink, alert=load.alert.id)
            await self._each(load, lambda tx, leased: outbox.settle(tx, leased, details))

    async def _send(self, sink: Sink, alert: Alert, context: Context) -> Receipt:
        try:
            async with asyncio.timeout(self._terms.send_timeout):
                return await sink.send(alert, context)
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._terms.send_timeout:g} seconds", retryable=True) from None

    async def _failed(self, lane: Lane, load: Load, error: DeliveryError) -> Delivered:
        if error.kept:
            # The sink answers; it is one of several recipients, or parts, that waits.
            counts = error.kept != load.kept
            lane.sent(self._seconds(), load.group, counts=counts, partly=True, protected=load.protected)
        elif error.retryable and lane.failed(self._seconds(), error.retry_after):
            say = _log.error if lane.probing else _log.warning
            say("sink.rests", sink=lane.sink, error=error.message, hint=error.hint)
        if not error.retryable and len(load.parts) > 1:
            return await self._unfold(lane, load, error)
        # What was told together is given up together: a part of a digest would be another message.
        if error.retryable and not all(lane.gives_up(self._seconds(), leased.tried_for) for leased in load.leased):
            return await self._postpone(lane, load, error)
        return await self._bury(lane.sink, [(leased, alert.title) for leased, alert in load.parts], error.message)

    async def _unfold(self, lane: Lane, load: Load, error: DeliveryError) -> Delivered:
        """One message that the sink will never take must not take the others with it: smaller digests find it."""
        _log.warning("digest.refused", sink=lane.sink, alert=load.alert.id, told=len(load.parts), error=error.message)
        lane.refused(len(load.parts), load.group)
        await self._each(load, lambda tx, leased: outbox.unbind(tx, leased, error.message))
        return Delivered(failed=len(load.parts))

    async def _postpone(self, lane: Lane, load: Load, error: DeliveryError) -> Delivered:
        wait = self._terms.wait(load.attempt, error.retry_after, lane.chance())
        _log.warning(
            "alert.postponed",
            sink=lane.sink,
            alert=load.alert.id,
            attempt=load.attempt,
            wait=round(wait, 1),
            error=error.message,
            hint=error.hint,
        )
        late = max(leased.tried_for for leased in load.leased) >= _LATE
        tells = late or lane.probing or (error.retry_after or 0) > lane.terms.longest_wait
        now = int(self._seconds())

        def postpone(tx: Transaction) -> None:
            ours = each_of(load.leased, lambda leased: outbox.postpone(tx, leased, wait, error.message, error.kept))
            if ours and tells:
                outages.tell(tx, lane.sink, load, error, self._others(lane.sink), now)

        await self._transact(postpone)
        if tells:
            self.wake()
        return Delivered(failed=len(load.parts))

    def _others(self, sink: str) -> Sequence[str]:
        """Who may be told of what happens to `sink`; not those who only write to owners, of which it has none."""
        return [name for name, other in self._sinks.items() if name != sink and other.alerts and not other.config.owned]

    async def _bury(self, sink: str, lost: Sequence[tuple[Leased, str]], reason: str) -> Delivered:
        """Give messages (each with its title) up and say so through the other sinks, in one transaction."""
        others, now = self._others(sink), int(self._seconds())
        dead = await self._transact(lambda tx: give_up(tx, sink, lost, reason, others, now))
        if dead:
            self.wake()
        return Delivered(dead=dead)

    async def _taken(self, lane: Lane) -> Taken:
        """What may go out now: first of what nothing may hold back."""
        now = self._seconds()
        if lane.takes(now) or lane.takes(now, protected=True):
            return await self._transact(lambda tx: self._leaser.take(tx, lane, now))
        return Taken(again=False)

    async def _look_for_orphans(self) -> None:
        """See now and then to what is owed to sinks that are not configured any more."""
        while True:
            try:
                await self.give_up_orphans()
            except StoreError as error:
                _log.error("alerts.store_failed", error=error.message)
            except Exception:  # noqa: BLE001 - the lanes go on
                bugs.noted("lane.broke", "")
            await asyncio.sleep(_ORPHANS)

    async def give_up_orphans(self) -> Delivered:
        """Give up what is owed to sinks that are not configured, as long after as what a sink never takes.

        Until then a sink may come back: it was renamed by mistake, say.
        """
        given_up = Delivered()
        pending = await self._transact(tally.pending)
        for name in sorted(pending.keys() - self._sinks.keys()):
            _log.warning("alerts.without_sink", sink=name, messages=pending[name])
            while old := await self._too_old_for(name):
                given_up += await self._bury(name, old, "there is no sink of this name any more")
        return given_up

    async def _too_old_for(self, sink: str) -> list[tuple[Leased, str]]:
        """Some of what is owed to `sink` for too long, leased, each with its title."""
        seconds = ceil(self._terms.settle_margin)

        def take(tx: Transaction) -> list[tuple[Leased, str]]:
            leased = leases.lease(tx, [sink], self._owner, seconds, FOLD_MAX)
            old = [each for each in leased if self._too_old(each.message)]
            each_of([each for each in leased if each not in old], lambda young: outbox.give_back(tx, young))
            return [(each, title_of(each)) for each in old]

        return await self._transact(take)

    async def _each(self, load: Load, act: Callable[[Transaction, Leased], None]) -> None:
        """Do `act` to every message of the load, in one transaction."""
        await self._transact(lambda tx: each_of(load.leased, lambda leased: act(tx, leased)))

    async def _transact(self, act: Callable[[Transaction], T]) -> T:
        def run() -> T:
            with self._store.transaction() as tx:
                return act(tx)

        return await asyncio.to_thread(run)

    def _too_old(self, message: Message) -> bool:
        return self._seconds() - message.created_at >= self._terms.give_up_after

    def _seconds(self) -> float:
        return self._now().timestamp()


def _terms_of(sink: Sink, terms: Terms) -> Terms:
    """Audit events come as they come; where they are no data but something to read, they come as one digest.

    Where each finding has a state, no more is folded than can be told one by one.
    """
    if not sink.alerts:
        return replace(terms, storm_limit=UNLIMITED if sink.takes_events else 1)
    if sink.keeps_state:
        terms = replace(terms, fold_max=min(terms.fold_max, FOLD_MAX_KEPT))
    storm = sink.config.storm
    return replace(terms, storm_limit=storm.messages, storm_window=storm.window) if storm else terms


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
