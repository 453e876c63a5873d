"""Who of several has a letter that one server takes for some and not for others. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from auditor.alerts.sink import Receipt
from auditor.errors import DeliveryError
from auditor.store.outbox import SINCE

PATIENCE = 2 * 3600
"""Seconds after which an address that is put off is left out: no greylist holds a letter for longer than an hour.

Until then the next letter about the same finding waits, for all addresses.
"""
_REFINED = re.compile(rb"(?:^|#)([245]\.\d{1,3}\.\d{1,3})(?!\d)", re.MULTILINE)
"""At the head of a line (RFC 2034), or `#5.3.4` in it, as qmail and others have it."""

Answers = Mapping[str, tuple[int, bytes]]
"""What the server said, by address."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who has the letter and who does not, over all tries."""

    taken: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    """For good, with the answer."""
    put_off: Mapping[str, str] = field(default_factory=dict)
    """By the last try, with the answer."""
    since: int = 0
    """Unix seconds since when one is put off."""

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "Recipients":
        """As the error of an earlier try kept it; nobody has the letter when there is none."""
        return cls(tuple(kept.get("taken", ())), dict(kept.get("refused", {})), since=int(kept.get(SINCE, 0)))

    def left(self, to: Sequence[str]) -> tuple[str, ...]:
        """To whom the letter is owed."""
        return tuple(address for address in to if address not in self.taken and address not in self.refused)

    def after(self, asked: Sequence[str], answers: Answers, *, passes: bool = False) -> "Recipients":
        """After a try that took the letter for all who were `asked` but those with `answers`.

        One of 5xx is for good, unless it `passes`: it is about ourselves, and neither the letter nor the address.
        """
        told = {address: _told(*answer) for address, answer in answers.items()}
        final = {address: told[address] for address, (code, _) in answers.items() if 500 <= code < 600 and not passes}
        taken = (*self.taken, *(address for address in asked if address not in answers))
        put_off = {address: answer for address, answer in told.items() if address not in final}
        return replace(self, taken=taken, refused={**self.refused, **final}, put_off=put_off)

    def receipt(self, to: Sequence[str], message_id: str, now: int) -> Receipt:
        """What is said of the letter when nobody is to be tried again. Raises DeliveryError when somebody is."""
        left, since = self.left(to), self.since or now
        if left and now - since < PATIENCE:
            answers = ", ".join(f"{address}: {self.put_off.get(address, 'no answer')}" for address in left)
            raise DeliveryError(
                f"the mail server puts the letter off for {answers}; the others have it",
                retryable=True,
                kept={"taken": list(self.taken), "refused": dict(self.refused), SINCE: since},
            )
        late = {address: self.put_off.get(address, "no answer") for address in left}
        return Receipt({"message_id": message_id}, refused={**self.refused, **late})


def refinement(said: bytes) -> str:
    """The code of RFC 3463 in an answer, as `5.2.2`; empty where there is none."""
    found = _REFINED.search(said)
    return found[1].decode() if found else ""


def _told(code: int, said: bytes) -> str:
    """The code with its refinement; the words are the server's, and nobody's business."""
    return f"{code} {refinement(said)}".rstrip()
