"""What Prometheus scrapes: numbers of the daemon and of the store. No name and no id of the organization's members."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from auditor import __version__
from auditor.errors import StoreError
from auditor.store import findings, runs, tally, watermarks
from auditor.store.database import Store, Transaction
from auditor.store.watermarks import Watermark
from auditor.terms import Level, Outcome, State, Status, Stream


class Metrics:
    """The registry of one daemon. Its methods are called from the event loop, `render` from a thread."""

    def __init__(self, store: Store, organizations: Sequence[str], now: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "auditor_api_requests",
            "Requests to the Admin API by HTTP status; `error` when no response came.",
            ["status"],
            registry=self._registry,
        )
        self._deliveries = Counter(
            "auditor_deliveries",
            "Tries to deliver a message, by sink and result.",
            ["sink", "result"],
            registry=self._registry,
        )
        self._sockets = Gauge(
            "auditor_slack_socket_connected",
            "Whether there is a connection over which Slack tells what is pressed, by sink.",
            ["sink"],
            registry=self._registry,
        )
        self._presses = Counter(
            "auditor_slack_interactions",
            "What Slack told of buttons and dialogs, by what came of it.",
            ["result"],
            registry=self._registry,
        )
        self._sign_ins = Counter(
            "auditor_page_sign_ins",
            "Passwords that were looked at, by what came of it; one that was right is not looked at again for minutes.",
            ["result"],
            registry=self._registry,
        )
        self._page_decisions = Counter(
            "auditor_page_decisions",
            "What people sent to decide on the page, by what came of it.",
            ["result"],
            registry=self._registry,
        )
        self._reload_success = Gauge(
            "auditor_config_last_reload_successful",
            "Whether the configuration on disk is the one in force.",
            registry=self._registry,
        )
        self._reload_time = Gauge(
            "auditor_config_last_reload_success_timestamp_seconds",
            "When a configuration was last taken into use.",
            registry=self._registry,
        )
        Gauge("auditor_build_info", "1, with the version as label.", ["version"], registry=self._registry).labels(
            __version__
        ).set(1)
        self._registry.register(_StoreCollector(store, tuple(organizations), now))

    def api_request(self, status: int | None) -> None:
        """Count one request to the Admin API; None when no response came."""
        self._requests.labels("error" if status is None else str(status)).inc()

    def delivery(self, sink: str, result: str, count: int = 1) -> None:
        """Count tries to deliver: `delivered`, `postponed`, `dead` or `suppressed`."""
        self._deliveries.labels(sink, result).inc(count)

    def slack_socket(self, sink: str, connected: bool | None) -> None:
        """Whether the sink hears what is pressed in Slack; None when nobody listens. From any thread."""
        if connected is None:
            self._sockets.remove(sink)
        else:
            self._sockets.labels(sink).set(connected)

    def slack_press(self, result: str) -> None:
        """Count what was pressed in Slack. From any thread."""
        self._presses.labels(result).inc()

    def sign_in(self, result: str) -> None:
        """Count a password that was looked at: `accepted`, `refused` or `busy`."""
        self._sign_ins.labels(result).inc()

    def page_decision(self, result: str) -> None:
        """Count a form: `acknowledged`, `waived`, `ended`, `stale`, `refused`, `invalid` or `failed`."""
        self._page_decisions.labels(result).inc()

    def config_loaded(self, at: int) -> None:
        """The configuration on disk came into force at `at` (Unix seconds)."""
        self._reload_success.set(1)
        self._reload_time.set(at)

    def config_refused(self) -> None:
        """The configuration on disk is faulty; the last good one stays in force."""
        self._reload_success.set(0)

    def render(self) -> bytes:
        """The exposition in Prometheus' text format. It reads the store, so it blocks."""
        return generate_latest(self._registry)


class _StoreCollector(Collector):
    """Reads the store at each scrape: what a metric says and what the page says cannot differ."""

    def __init__(self, store: Store, organizations: tuple[str, ...], now: Callable[[], int]) -> None:
        self._store = store
        self._organizations = organizations
        self._now = now

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not read the store."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The gauges; when the store does not answer only `auditor_store_up 0`."""
        families = _families()
        try:
            with self._store.transaction() as tx:
                for organization in self._organizations:
                    _add_organization(families, tx, organization, self._now())
                for sink, count in tally.pending(tx).items():
                    families["outbox"].add_metric([sink], count)
                for sink, since in tally.tried_since(tx).items():
                    families["failing"].add_metric([sink], since)
        except StoreError:
            yield _up(0)
            return
        yield _up(1)
        yield from families.values()


def _up(value: int) -> GaugeMetricFamily:
    return GaugeMetricFamily("auditor_store_up", "Whether the store answered this scrape.", value=value)


def _families() -> dict[str, GaugeMetricFamily]:
    return {
        "findings": GaugeMetricFamily(
            "auditor_findings", "Active findings and occurrences.", labels=["organization", "level", "state"]
        ),
        "policies": GaugeMetricFamily(
            "auditor_policies", "Policies by their last outcome.", labels=["organization", "outcome"]
        ),
        "snapshot": GaugeMetricFamily(
            "auditor_snapshot_last_success_timestamp_seconds",
            "When the last snapshot was judged and stored.",
            labels=["organization"],
        ),
        "lag": GaugeMetricFamily(
            "auditor_audit_log_lag_seconds",
            "Seconds since a stream of the audit log was last known to be read whole.",
            labels=["organization", "stream"],
        ),
        "outbox": GaugeMetricFamily("auditor_outbox_pending", "Messages that wait to be delivered.", labels=["sink"]),
        "failing": GaugeMetricFamily(
            "auditor_outbox_failing_since_timestamp_seconds",
            "When the message that is tried in vain for longest was first tried; no value where none is.",
            labels=["sink"],
        ),
    }


def _add_organization(families: dict[str, GaugeMetricFamily], tx: Transaction, organization: str, now: int) -> None:
    counts = findings.counts(tx, organization)
    for level in Level:
        for state in State:
            if state.active:
                families["findings"].add_metric([organization, level.value, state.value], counts.get((level, state), 0))
    if run := runs.judgement(tx, organization, "snapshot"):
        families["snapshot"].add_metric([organization], run.finished_at)
        for outcome in Outcome:
            families["policies"].add_metric([organization, outcome.value], run.summary.get(outcome.value, 0))
    for stream in Stream:
        if (read_to := _read_to(watermarks.read(tx, organization, stream))) is not None:
            families["lag"].add_metric([organization, stream.value], max(now - read_to, 0))


def _read_to(mark: Watermark | None) -> int | None:
    """When the stream was last known whole: the last poll, or the newest event when that poll was not complete."""
    if mark is None:
        return None
    return mark.polled_at if mark.status is Status.COMPLETE else mark.at
