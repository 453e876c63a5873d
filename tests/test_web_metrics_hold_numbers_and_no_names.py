"""What Prometheus scrapes, read back with Prometheus' own parser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sample
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text as sql

from auditor.store.database import Store, open_store
from auditor.web.metrics import Metrics

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'auditor.db'}")
    sample.fill(opened)
    yield opened
    opened.close()


@pytest.fixture
def metrics(store: Store) -> Metrics:
    return Metrics(store, ("acme",), lambda: sample.NOW)


def _samples(metrics: Metrics) -> Samples:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value for family in families for each in family.samples
    }


def test_the_store_is_counted_at_each_scrape(metrics: Metrics) -> None:
    found = _samples(metrics)
    assert found["auditor_store_up", ()] == 1
    critical = (("level", "critical"), ("organization", "acme"), ("state", "open"))
    assert found["auditor_findings", critical] == 3
    assert found["auditor_policies", (("organization", "acme"), ("outcome", "unknown"))] == 2
    assert found["auditor_snapshot_last_success_timestamp_seconds", (("organization", "acme"),)] == sample.NOW - 300
    assert found["auditor_outbox_pending", (("sink", "security"),)] > 0


def test_a_sink_that_takes_nothing_is_seen_by_since_when(store: Store, metrics: Metrics) -> None:
    failing = ("auditor_outbox_failing_since_timestamp_seconds", (("sink", "security"),))
    with store.transaction() as tx:
        tx.execute(sql("UPDATE outbox SET error = '' WHERE state = 'pending'"))
    assert failing not in _samples(metrics)
    with store.transaction() as tx:
        tx.execute(sql("UPDATE outbox SET error = '503', tried_at = 1767225600.5 WHERE state = 'pending'"))
    assert _samples(metrics)[failing] == 1_767_225_600


def test_the_lag_grows_while_a_stream_is_refused(metrics: Metrics) -> None:
    found = _samples(metrics)
    lag = "auditor_audit_log_lag_seconds"
    assert found[lag, (("organization", "acme"), ("stream", "organization"))] == 20
    assert found[lag, (("organization", "acme"), ("stream", "tenant"))] == 3 * sample.DAY


def test_requests_deliveries_and_reloads_are_counted_as_they_happen(metrics: Metrics) -> None:
    metrics.api_request(200)
    metrics.api_request(200)
    metrics.api_request(None)
    metrics.delivery("security", "delivered")
    metrics.slack_socket("security", True)
    metrics.slack_socket("oncall", True)
    metrics.slack_socket("oncall", None)
    metrics.slack_socket("gone", None)
    metrics.slack_press("waived")
    metrics.config_loaded(sample.NOW)
    metrics.config_refused()
    found = _samples(metrics)
    assert found["auditor_api_requests_total", (("status", "200"),)] == 2
    assert found["auditor_api_requests_total", (("status", "error"),)] == 1
    assert found["auditor_deliveries_total", (("result", "delivered"), ("sink", "security"))] == 1
    assert found["auditor_slack_socket_connected", (("sink", "security"),)] == 1
    assert ("auditor_slack_socket_connected", (("sink", "oncall"),)) not in found
    assert found["auditor_slack_interactions_total", (("result", "waived"),)] == 1
    assert found["auditor_config_last_reload_successful", ()] == 0
    assert found["auditor_config_last_reload_success_timestamp_seconds", ()] == sample.NOW


def test_no_name_and_no_id_is_a_label(metrics: Metrics) -> None:
    text = metrics.render().decode()
    assert not [name for name in ("example.com", "key_", "user_", "proj_", "Bo Lind") if name in text]
    labels = {label for _, pairs in _samples(metrics) for label, _ in pairs}
    assert labels <= {"organization", "level", "state", "outcome", "stream", "sink", "status", "result", "version"}


def test_a_store_that_does_not_answer_is_itself_a_number(metrics: Metrics, store: Store) -> None:
    with store.transaction() as tx:
        tx.execute(sql("DROP TABLE watermarks"))
    found = _samples(metrics)
    assert found["auditor_store_up", ()] == 0
    assert not [name for name, _ in found if name == "auditor_findings"]


def test_two_daemons_in_one_process_do_not_share_counters(store: Store, metrics: Metrics) -> None:
    metrics.api_request(200)
    assert not [name for name, _ in _samples(Metrics(store, (), lambda: 0)) if name == "auditor_api_requests_total"]
