"""What goes out as one message: an alert, or many folded into a digest. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.alerts import digests
from auditor.alerts.message import Alert
from auditor.store.outbox import Leased

Parts = Sequence[tuple[Leased, Alert]]


@dataclass(frozen=True, slots=True)
class Load:
    """What goes out as one message, and the messages of the outbox that it is made of."""

    alert: Alert
    parts: Parts

    @property
    def leased(self) -> Sequence[Leased]:
        """The messages alone."""
        return [leased for leased, _ in self.parts]

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """What was folded, or the one alert."""
        return tuple(alert for _, alert in self.parts)

    @property
    def attempt(self) -> int:
        """How often the most tried part was tried, this time included."""
        return max(leased.attempts for leased, _ in self.parts)

    @property
    def kept(self) -> Mapping[str, Any]:
        """What an earlier try confirmed of it; nothing unless it is the same of every part."""
        first, *others = (leased.kept for leased, _ in self.parts)
        return first if all(other == first for other in others) else {}

    @property
    def protected(self) -> bool:
        """Whether some of it may not be held up by what is not."""
        return any(leased.message.protected for leased, _ in self.parts)

    @property
    def group(self) -> str:
        """The one that all parts are of; empty when there is none."""
        return _group_of(self.parts)


def loaded(parts: Parts, at: int) -> Load:
    """What goes out for `parts`: the one alert, the digest of a group, or that of a storm, which shows no marks."""
    alerts = [alert for _, alert in parts]
    if len(alerts) == 1:
        return Load(alerts[0], parts)
    if _group_of(parts):
        return Load(digests.together(alerts, at), parts)
    return Load(digests.merged([alert for alert in alerts if not alert.marks] or alerts, at), parts)


def _group_of(parts: Parts) -> str:
    groups = {leased.message.group for leased, _ in parts}
    return groups.pop() if len(groups) == 1 else ""
