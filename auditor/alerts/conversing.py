"""Keeps the conversations of sinks in the store: read before a message goes out, written when it is settled."""

from collections import defaultdict
from collections.abc import Collection

import msgspec

from auditor import log
from auditor.alerts.conversation import LONGEST, Conversation, Place, Turn, decode, encode, turn
from auditor.alerts.load import Parts
from auditor.alerts.message import Alert
from auditor.store import conversations
from auditor.store.conversations import Stored
from auditor.store.database import Transaction
from auditor.store.outbox import Leased

_log = log.get(__name__)

KEPT = 6 * LONGEST
"""Seconds after which a message is not kept up to date any more."""


def key_of(parts: Parts) -> str:
    """The conversation that all of `parts` belong to; empty when there is none."""
    keys = {_key(leased, alert) for leased, alert in parts}
    return keys.pop() if len(keys) == 1 else ""


def turn_of(tx: Transaction, sink: str, parts: Parts, now: int) -> Turn | None:
    """What is to be shown for `parts` at `now` (Unix seconds); None where they are a message of its own."""
    key = key_of(parts)
    if not key:
        return None
    known, place = _known(tx, sink, [key]).get(key, (None, {}))
    return turn(known, place, [alert for _, alert in parts], now)


def keep(tx: Transaction, sink: str, parts: Parts, shown: Turn, place: Place | None, now: int) -> None:
    """Write down how the conversation stands now that the sink shows it at `place`; forget one that is over.

    Another process may have told something in the same conversation meanwhile: that is kept, too.
    """
    key = key_of(parts)
    known, at = _known(tx, sink, [key]).get(key, (None, {}))
    carried_on = place is not None and place == shown.place
    standing = shown.standing if carried_on or not shown.place else shown.fresh
    if known and place == at:
        standing = known.after(shown.told).trimmed()
    if place is None or standing.over:
        conversations.drop(tx, sink, key)
    else:
        _save(tx, sink, key, standing, place)
    conversations.drop_old(tx, sink, now - KEPT)


def note(tx: Transaction, sink: str, parts: Parts) -> None:
    """Write down what was told elsewhere, in a digest of many: it is shown when the conversation is next changed."""
    by_key: dict[str, list[Alert]] = defaultdict(list)
    for leased, alert in parts:
        by_key[_key(leased, alert)].append(alert)
    for key, (known, place) in _known(tx, sink, by_key.keys() - {""}).items():
        after = known.after(alert for alert in by_key[key] if known.has(alert.finding))
        if after != known:
            _save(tx, sink, key, after, place)


def _key(leased: Leased, alert: Alert) -> str:
    return leased.message.group or alert.finding


def _known(tx: Transaction, sink: str, keys: Collection[str]) -> dict[str, tuple[Conversation, Place]]:
    """What cannot be read is begun anew."""
    found: dict[str, tuple[Conversation, Place]] = {}
    for key, stored in conversations.read(tx, sink, keys).items():
        try:
            found[key] = decode(stored.state), stored.place
        except msgspec.DecodeError as error:
            _log.error("conversation.unreadable", sink=sink, conversation=key, error=str(error))
    return found


def _save(tx: Transaction, sink: str, key: str, standing: Conversation, place: Place) -> None:
    row = Stored(sink, key, standing.organization, place, standing.began_at, encode(standing))
    conversations.save(tx, row)
