"""Listens for what people press in Slack: keeps a connection, confirms at once, and decides aside.

All of it runs on daemon threads, because the SDK is made of blocking calls, and none of them keeps the process alive.
"""

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from auditor.alerts import slackpayload
from auditor.alerts.sink import Sink
from auditor.alerts.sinks.slack import Config
from auditor.alerts.slackpayload import Envelope, Hello, Leaving, Malformed
from auditor.alerts.slackpress import Click, Submission
from auditor.alerts.slacksocket import Socket
from auditor.errors import AuditorError, ConfigError, DeliveryError
from auditor.jobs.slackdesk import Desk
from auditor.log import get

log = get(__name__)

HELLO = 10.0
"""Seconds that Slack has to say hello."""
STEADY = 30.0
"""Seconds after which a connection counts as good, and the next one may follow at once."""
PAUSE_MAX = 60.0
WORKERS = 3
WAITING = 100
"""Presses that wait to be decided; more are not confirmed, so that Slack says so to whoever pressed."""
REMEMBERED = 1000


@dataclass(frozen=True)
class Watch:
    """Who is told how it goes; called from any thread."""

    connected: Callable[[bool | None], None] = lambda connected: None
    """Whether there is a connection; None when nobody listens any more."""
    pressed: Callable[[str], None] = lambda result: None
    broken: Callable[[BaseException], None] = lambda bug: None
    """A bug ended one of the threads."""


class Listener:
    """Listens for the buttons of one Slack app, from `start` to `stop`."""

    def __init__(self, name: str, config: Config, desk: Desk, watch: Watch, *, pause: float = 1.0) -> None:
        self._name = name
        self._config = config
        self._desk = desk
        self._watch = watch
        self._pause = pause
        self._stop = threading.Event()
        self._changed = threading.Event()
        self._gate = threading.Lock()
        self._presses: queue.Queue[Click | Submission | None] = queue.Queue()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._fault = ""
        jobs = (self._keep_connected, *[self._work] * WORKERS)
        self._threads = [threading.Thread(target=self._run, args=(job,), name=name, daemon=True) for job in jobs]

    def start(self) -> None:
        """Begin; that Slack cannot be reached is logged, and tried again."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let it end: nothing more is confirmed, and what was is decided."""
        with self._gate:
            self._stop.set()
            for _ in range(WORKERS):
                self._presses.put(None)
        self._changed.set()
        self._watch.connected(None)

    def ended(self, seconds: float) -> bool:
        """Wait for the end, for `seconds` at most; whether it came."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as bug:  # noqa: BLE001 - whoever listens stops the process
            self._watch.broken(bug)

    def _keep_connected(self) -> None:
        current: Socket | None = None
        failures = 0
        while not self._stop.is_set():
            wait, stood = 0.0, 0.0
            try:
                fresh = self._connected()
            except AuditorError as error:
                wait = self._failed(error)
            else:
                # The old one ends after the new one stands, so that nothing is pressed in between.
                previous, current = current, fresh
                if previous:
                    previous.close()
                stood = self._watched(current)
            failures = 0 if stood > STEADY else failures + 1
            if current and not current.alive:
                current.close()
                current = None
            self._say(current is not None)
            self._stop.wait(max(wait, min(self._pause * 2 ** min(failures - 1, 6), PAUSE_MAX) if failures else 0.0))
        if current:
            current.close()

    def _connected(self) -> Socket:
        """A connection over which Slack said hello. Raises DeliveryError and ConfigError."""
        fresh = Socket(self._config, self._take, self._changed.set)
        until = time.monotonic() + HELLO
        while not fresh.heard and fresh.alive and not self._stop.is_set() and time.monotonic() < until:
            self._changed.wait(0.2)
            self._changed.clear()
        if fresh.heard or self._stop.is_set():
            return fresh
        fresh.close()
        raise DeliveryError("Slack's socket: no greeting", hint="something between here and there answers instead")

    def _watched(self, current: Socket) -> float:
        """Return when another connection is wanted; gives the seconds that this one was good."""
        began = time.monotonic()
        self._fault = ""
        self._say(True)
        log.info("slack.socket_connected", sink=self._name)
        while current.alive and not current.leaving and not self._stop.is_set():
            self._changed.wait(1.0)
            self._changed.clear()
        if not self._stop.is_set():
            log.info("slack.socket_left", sink=self._name, reason=current.leaving or "the connection was cut")
        return time.monotonic() - began

    def _say(self, connected: bool) -> None:
        with self._gate:
            if not self._stop.is_set():
                self._watch.connected(connected)

    def _failed(self, error: AuditorError) -> float:
        """Say it once; gives the seconds that Slack wants to be left alone."""
        if error.message != self._fault:
            self._fault = error.message
            log.error("slack.socket_refused", sink=self._name, error=error.message, hint=error.hint)
        return (error.retry_after or 0.0) if isinstance(error, DeliveryError) else 0.0

    def _take(self, origin: Socket, text: str) -> None:
        """One text, on the thread that receives."""
        try:
            read = slackpayload.read(text, origin.app)
        except Malformed:
            self._watch.pressed("malformed")
            return
        match read:
            case Hello(app):
                origin.app, origin.heard = app, True
            case Leaving(reason):
                origin.leaving = reason
            case Envelope(_, None, result):
                self._watch.pressed(result)
                origin.confirm(read.id)
            case Envelope():
                self._confirm(origin, read)
            case None:
                self._watch.pressed("ignored")
        self._changed.set()

    def _confirm(self, origin: Socket, envelope: Envelope) -> None:
        what = envelope.content
        wrong = self._desk.objections(what) if isinstance(what, Submission) else {}
        if wrong:
            self._watch.pressed("objected")
            origin.confirm(envelope.id, {"response_action": "errors", "errors": wrong})
        elif what is None or self._taken_on(what):
            origin.confirm(envelope.id)

    def _taken_on(self, what: Click | Submission) -> bool:
        """Whether it will be, or was, decided."""
        with self._gate:
            if what.key in self._seen:
                self._watch.pressed("repeated")
                return True
            if self._stop.is_set() or self._presses.qsize() >= WAITING:
                self._watch.pressed("overrun")
                return False
            self._seen[what.key] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            self._presses.put(what)
            return True

    def _work(self) -> None:
        while what := self._presses.get():
            self._watch.pressed(self._desk.decide(what))


class Listeners:
    """All that a configuration wants to be listened to."""

    def __init__(self, made: Sequence[Listener] = ()) -> None:
        self._made = made

    def start(self) -> None:
        """Begin."""
        for each in self._made:
            each.start()

    def stop(self) -> None:
        """Let them end."""
        for each in self._made:
            each.stop()

    def ended(self, seconds: float) -> None:
        """Wait for the end, for `seconds` at most; what is late then ends with the process."""
        until = time.monotonic() + seconds
        for each in self._made:
            each.ended(max(until - time.monotonic(), 0))


def apps(sinks: Iterable[Sink]) -> list[tuple[tuple[str, ...], Config]]:
    """The Slack apps whose buttons are listened to: the names of the sinks of each, and their settings.

    Slack sends what is pressed to any connection of the app, whichever channel it was in, so that sinks of one app
    must have the same deciders. Raises ConfigError.
    """
    found: dict[str, tuple[list[str], Config]] = {}
    for sink in sinks:
        config = sink.config
        if not isinstance(config, Config) or not config.interactive:
            continue
        names, first = found.setdefault(config.app_credential(), ([], config))
        if set(config.deciders) != set(first.deciders):
            raise ConfigError(
                f"sinks.{names[0]} and sinks.{sink.name} are of one Slack app, and have different deciders",
                hint="name the same ones in both, or make a second Slack app",
            )
        names.append(sink.name)
    return [(tuple(names), config) for names, config in found.values()]
