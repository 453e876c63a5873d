"""Tells through other sinks that messages to one do not arrive: nobody should wait until they are given up."""

from collections.abc import Sequence
from dataclasses import replace

from auditor.alerts import notices
from auditor.alerts.lane import GIVE_UP_AFTER
from auditor.alerts.load import Load
from auditor.alerts.outgoing import queue
from auditor.alerts.untrusted import bounded
from auditor.alerts.words import counted, moment
from auditor.errors import DeliveryError
from auditor.store import outbox, tally
from auditor.store.database import Transaction
from auditor.terms import Level

_DAY = 86_400


def tell(tx: Transaction, sink: str, load: Load, error: DeliveryError, others: Sequence[str], now: int) -> None:
    """Queue a notice that `sink` does not take its messages, of which `load` is one, for the sinks `others`.

    One a day and sink; none where only such notices do not arrive, or two sinks would tell of each other for ever.
    """
    if not others or all(notices.is_of_a_sink(leased.message.id) for leased in load.leased):
        return
    key = f"{notices.OUTAGE}/{sink}/{now // _DAY}"
    if outbox.is_queued(tx, f"notice/{key}"):
        return
    owed, since = tally.pending(tx).get(sink, 0), tally.tried_since(tx).get(sink, now)
    patience = f"They are tried again, each for {GIVE_UP_AFTER // 3600} hours, and then given up."
    facts = [("Sink", sink), ("Error", error.message), ("Since", moment(since)), ("Owed", counted(owed, "message"))]
    notice = notices.notice(
        key,
        load.leased[0].message.organization,
        Level.HIGH,
        f"Messages to {sink} do not arrive",
        f"{counted(owed, 'message')} owed. {patience}",
        now,
        facts=facts,
        protected=True,
    )
    queue(tx, replace(notice, remediation=bounded(error.hint)), others, now)
