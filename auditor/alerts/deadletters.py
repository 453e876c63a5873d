"""What becomes of messages that somebody never gets: they stay in the listing, and are told of through other sinks."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from auditor import log
from auditor.alerts import notices
from auditor.alerts.message import Alert, decode
from auditor.alerts.outgoing import queue
from auditor.errors import LeaseLost
from auditor.store import outbox
from auditor.store.database import Transaction
from auditor.store.outbox import Leased, Message
from auditor.terms import Level

_log = log.get(__name__)


def give_up(
    tx: Transaction, sink: str, lost: Sequence[tuple[Leased, str]], reason: str, others: Sequence[str], now: int
) -> int:
    """Give messages to `sink` (each with its title) up, and queue a notice of it for the sinks `others`.

    What was told together is given up together: one that was left over by a death would be told again alone. Returns
    how many of them were still ours.
    """
    for leased, _ in lost:
        _log.error("alert.dead", sink=sink, alert=leased.message.id, attempt=leased.attempts, error=reason)
    given_up = each_of([leased for leased, _ in lost], lambda leased: outbox.bury(tx, leased, reason))
    told = (_notice(sink, leased.message, reason, title, now) for leased, title in lost)
    notice = next(filter(None, told), None)
    if notice and given_up:
        queue(tx, notice, others, now)
    return given_up


def left_out(
    tx: Transaction, sink: str, alert: Alert, refused: Mapping[str, str], tellers: Sequence[str], now: int
) -> None:
    """Queue for the sinks `tellers` that `alert` reached others, and for whom it was refused, with which answer.

    One notice a day for each of them, and so none about that notice itself.
    """
    for who, answer in sorted(refused.items()):
        _log.warning("alert.left_out", sink=sink, alert=alert.id, recipient=who, answer=answer)
        queue(tx, _left_out_notice(sink, alert, who, answer, now), tellers, now)


def each_of(some: Sequence[Leased], act: Callable[[Leased], None]) -> int:
    """Do `act` to every message; returns how many of them were still ours."""
    ours = 0
    for leased in some:
        try:
            act(leased)
            ours += 1
        except LeaseLost as error:
            # Another process took the message over after our lease ended; it decides what becomes of it.
            _log.warning("alert.lease_lost", sink=leased.message.sink, error=error.message)
    return ours


def title_of(leased: Leased) -> str:
    """What the message was about; its id where that cannot be read."""
    try:
        return decode(leased.message.alert).title
    except msgspec.DecodeError:
        return leased.message.id


def _left_out_notice(sink: str, alert: Alert, who: str, answer: str, at: int) -> Alert:
    return notices.notice(
        f"{notices.LEFT_OUT}/{sink}/{who}/{at // 86_400}",
        alert.organization,
        Level.HIGH,
        f"{who} gets no messages from {sink}",
        f"{alert.title}: refused for {who}, delivered to the others. Later refusals of this day are not told.",
        at,
        facts=(("Sink", sink), ("Recipient", who), ("Answer", answer), ("Message", alert.id)),
        protected=True,
    )


def _notice(sink: str, message: Message, reason: str, title: str, at: int) -> Alert | None:
    """One notice an hour and sink; none about the loss of a notice of a sink, or two would go round for ever."""
    if notices.is_of_a_sink(message.id):
        return None
    return notices.notice(
        f"{notices.DEAD_LETTER}/{sink}/{at // 3600}",
        message.organization,
        Level.HIGH,
        f"Messages to {sink} are lost",
        f"{title}: given up. Later losses of this hour are not told one by one.",
        at,
        facts=(("Sink", sink), ("Message", message.id), ("Error", reason)),
        protected=True,
    )
