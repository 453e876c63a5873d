"""How one sink is doing: when it may be tried, and how many messages it may take. Pure.

Every time is a number of Unix seconds handed in.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

UNLIMITED = 1_000_000_000
"""A `storm_limit` that nothing reaches."""
GIVE_UP_AFTER = 72 * 3600
"""Seconds for which a message is tried."""
FOLD_MAX = 1000
"""Messages folded into one digest at most."""
FOLD_MAX_KEPT = 50
"""The same for a sink that is told of each part by itself: they must all get there within `send_timeout`."""
_PAUSE = 600
"""Seconds without a look at the lane after which somebody was off; one message, and a store that stalls, take less."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How patiently messages are delivered. Times in seconds."""

    first_wait: float = 5
    longest_wait: float = 900
    """A message that is late because its sink was down goes out at most this long after the sink came back."""
    jitter: float = 0.5
    """Share of a wait that chance adds to it."""
    give_up_after: float = GIVE_UP_AFTER
    """Since the first try."""
    watch: float = 3600
    """Seconds at work without a pause before anything is given up: who was off for days tries again for so long."""
    breaker_after: int = 5
    """Failures in a row after which the sink rests, and then gets one message as a probe."""
    storm_limit: int = 20
    storm_window: float = 600
    """At most `storm_limit` messages in `storm_window`; the last of them tells all that is due, as a digest."""
    fold_max: int = FOLD_MAX
    send_timeout: float = 30
    settle_margin: float = 15
    """How long a lease outlasts the sending, for settling it; after a crash the message goes out again that late."""
    poll: float = 1

    def wait(self, attempts: int, floor: float | None, chance: float) -> float:
        """Seconds until the next try after `attempts` failures: doubling, capped, never below `floor`.

        `chance` is in [0, 1). Jitter only ever adds, so that what the other side asked for is respected.
        """
        doubled = min(self.first_wait * 2.0 ** min(max(attempts, 1) - 1, 32), self.longest_wait)
        wait = max(doubled, floor or 0)
        # What was asked for is no reason to wait for days longer than that.
        return wait + self.jitter * chance * min(wait, self.longest_wait)


@dataclass(slots=True)
class _Share:
    """When a sink took messages of one class: of what nothing may hold back, or of the rest."""

    sent: deque[float] = field(default_factory=deque)
    partly: deque[float] = field(default_factory=deque)
    """When some of a message's recipients confirmed it, which the store does not count."""

    def taken(self, since: float) -> int:
        """How many after `since`; earlier ones are forgotten."""
        for times in (self.sent, self.partly):
            while times and times[0] <= since:
                times.popleft()
        return len(self.sent) + len(self.partly)

    def back(self, seconds: float) -> None:
        """The clock was set back by so much."""
        self.sent = deque(each - seconds for each in self.sent)
        self.partly = deque(each - seconds for each in self.partly)


@dataclass(slots=True)
class Lane:
    """The queue of one sink."""

    sink: str
    terms: Terms
    chance: Callable[[], float]
    _failures: int = 0
    _rests_until: float = 0
    _folds: dict[str, int] = field(default_factory=dict)
    _shares: dict[bool, _Share] = field(default_factory=lambda: {protected: _Share() for protected in (True, False)})
    _asked_at: float = 0
    _at_work_since: float = 0

    def takes(self, now: float, *, protected: bool = False) -> int:
        """How many messages to lease: 0 while the sink rests, many when they must be folded into one.

        What nothing may hold back is `protected`: it has as many messages for itself, and neither waits for the other.
        """
        self._follow(now)
        free = self.terms.storm_limit - self._shares[protected].taken(now - self.terms.storm_window)
        if now < self._rests_until or free <= 0:
            return 0
        return self.folds("") if free == 1 and not self._failures else 1

    @property
    def probing(self) -> bool:
        """Whether the sink failed so often that it rests after each failure, and is asked whether it is back."""
        return self._failures >= self.terms.breaker_after

    @property
    def asks_anew(self) -> bool:
        """Whether to ask it with what it was never asked with, now and then: the fault may be of what it refused."""
        return self.probing and self._failures & (self._failures - 1) == 0

    def _follow(self, now: float) -> None:
        """A clock that was set back takes what it measured with it: a rest of a minute must not last for that long."""
        back = self._asked_at - now
        if back > 0:
            self._rests_until -= back
            self._at_work_since -= back
            for share in self._shares.values():
                share.back(back)
        elif -back > _PAUSE:
            self._at_work_since = now
        self._asked_at = now

    def gives_up(self, now: float, tried_for: float) -> bool:
        """Whether a message that was first tried `tried_for` seconds ago is tried no more.

        A machine that was off, or stood still, did not try meanwhile.
        """
        return tried_for >= self.terms.give_up_after and now - self._at_work_since >= self.terms.watch

    def folds(self, group: str) -> int:
        """How many messages of one group may go out as one; of all groups together for the empty one."""
        return self._folds.get(group, self.terms.fold_max)

    @property
    def limited(self) -> bool:
        """Whether a storm is folded at all."""
        return self.terms.storm_limit < UNLIMITED

    def recall(self, now: float, ages: Iterable[tuple[float, bool]]) -> None:
        """What the store says was confirmed so many seconds ago, protected or not, the longest ago first.

        A start is no new window, and the limit is that of all processes together.
        """
        for share in self._shares.values():
            share.sent.clear()
        for age, protected in ages:
            self._shares[protected].sent.append(now - age)

    def sent(
        self, now: float, group: str = "", *, counts: bool = True, partly: bool = False, protected: bool = False
    ) -> None:
        """The sink confirmed a message; one that disturbs nobody does not count for a storm."""
        self._failures = 0
        for mended in {group, ""}:
            self._folds.pop(mended, None)
        if counts:
            share = self._shares[protected]
            (share.partly if partly else share.sent).append(now)

    def refused(self, parts: int, group: str) -> None:
        """A digest of `parts` messages was refused for good: half as many next, until the one at fault is alone.

        Of this group, and of what a storm folds: all of that may be of this group, and would be the same digest again.
        """
        self._folds[group] = self._folds[""] = max(parts // 2, 1)

    def failed(self, now: float, floor: float | None) -> bool:
        """The sink did not confirm, and may later. Returns whether it now rests.

        A rest asked for by the sink is kept for all its messages: the limit is the sink's, not the message's.
        """
        self._failures += 1
        rest = floor or 0
        if self.probing:
            rest = self.terms.wait(self._failures - self.terms.breaker_after + 1, floor, self.chance())
        self._rests_until = max(self._rests_until, now + rest)
        return rest > 0
