"""What belongs together in one message that is kept up to date: how each of its findings stands. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from auditor.alerts.message import DECIDED, Alert, AlertKind, Line, decoded
from auditor.alerts.words import counted

LONGEST = 14 * 86_400
"""Seconds after which what is new begins a message of its own: nobody scrolls back further."""
FINDINGS_MAX = 100
"""Findings in one conversation before the resolved ones are only counted, and before what is new begins another one."""
MESSAGE_MAX = 300
"""Characters kept of what is told of a finding."""

_OPENING = frozenset({AlertKind.OPENED, AlertKind.REOPENED})
_NEWS = _OPENING | {AlertKind.OCCURRED}
_SEEN = _NEWS | {AlertKind.RESOLVED}
_LIFE = _SEEN | DECIDED

Place = Mapping[str, str]
"""Where a message is, in the words of the sink: `{"channel": "C1", "ts": "1.2"}`. Empty for one that is to begin."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one finding stands."""

    finding: str
    kind: AlertKind
    """What was told of it last."""
    title: str
    line: Line
    at: int
    """Unix seconds of that."""
    by: str = ""
    """Who decided it."""
    waivable: bool = True
    """Whether its risk can be accepted for a time."""

    @property
    def resolved(self) -> bool:
        """Whether it is over."""
        return self.kind is AlertKind.RESOLVED

    @property
    def dropped(self) -> bool:
        """Whether it is over because its policy is."""
        return self.line.dropped


@dataclass(frozen=True, slots=True)
class Conversation:
    """One message of a sink and its thread."""

    began_at: int
    """Unix seconds."""
    organization: str = ""
    link: str = ""
    """Address of the page, empty for none."""
    standings: tuple[Standing, ...] = ()
    """Of each finding, in the order in which they came."""
    forgotten: int = 0
    """How many more are resolved."""
    forgotten_dropped: int = 0
    """How many of those ended with their policy."""
    alone: Alert | None = None
    """The last alert whole, while all is about one finding."""
    head: str = ""
    """The title of several findings in the operator's words; empty for `title`. Never stored."""

    @property
    def title(self) -> str:
        """What the findings have in common, or how many they are."""
        titles = {each.title for each in self.standings}
        return titles.pop() if len(titles) == 1 else counted(len(self.standings) + self.forgotten, "finding")

    @property
    def policy(self) -> str:
        """The one policy that found all of them; empty for several."""
        policies = {each.line.policy for each in self.standings}
        return policies.pop() if len(policies) == 1 else ""

    @property
    def over(self) -> bool:
        """Whether there is nothing left in it that may change."""
        return all(each.resolved for each in self.standings)

    def has(self, finding: str) -> bool:
        """Whether it tells of the finding."""
        return any(each.finding == finding for each in self.standings)

    def after(self, alerts: Iterable[Alert]) -> "Conversation":
        """How it stands after `alerts`. What is only told again changes nothing, nor does a notice."""
        known = {each.finding: each for each in self.standings}
        last = self.alone
        organization, link = self.organization, self.link
        for alert in alerts:
            if alert.kind not in _LIFE or not alert.finding or _says_nothing(alert, known.get(alert.finding)):
                continue
            known[alert.finding] = _standing(alert)
            last = alert
            organization = organization or alert.organization
            link = link or alert.link.rpartition("/findings/")[0]
        return replace(
            self,
            organization=organization,
            link=link,
            standings=tuple(known.values()),
            alone=last if len(known) == 1 and not self.forgotten else None,
        )

    def trimmed(self, limit: int = FINDINGS_MAX) -> "Conversation":
        """The same with at most `limit` findings, as far as leaving out resolved ones, the first of them, makes it."""
        extra = len(self.standings) - limit
        left = [each for each in self.standings if each.resolved][: max(extra, 0)]
        gone = {each.finding for each in left}
        return replace(
            self,
            standings=tuple(each for each in self.standings if each.finding not in gone),
            forgotten=self.forgotten + len(left),
            forgotten_dropped=self.forgotten_dropped + sum(each.dropped for each in left),
        )

    def lasting(self, now: int) -> "Conversation":
        """A new one, of `now` (Unix seconds), with what is not resolved in this one."""
        kept = tuple(each for each in self.standings if not each.resolved)
        return replace(
            self, began_at=now, standings=kept, forgotten=0, forgotten_dropped=0, alone=self.alone if kept else None
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be shown of a conversation."""

    told: tuple[Alert, ...]
    """What happened."""
    standing: Conversation
    """How it stands with that."""
    fresh: Conversation
    """What stands in a new message where the old one cannot be changed any more: also what is not resolved of it."""
    place: Place = field(default_factory=dict)
    """Where its message is; empty when it begins."""
    ended: Conversation | None = None
    """The one before, which is not kept up to date from now on."""
    ended_at: Place = field(default_factory=dict)
    """Where that one is."""

    @property
    def news(self) -> bool:
        """Whether people have to hear of it, rather than only find it where they were told of the rest."""
        return any(not alert.marks for alert in self.told)

    def worded(self, words: Callable[[Alert], Alert]) -> "Turn":
        """The same in other words."""

        def said(one: Conversation) -> Conversation:
            if one.alone:
                return replace(one, alone=words(one.alone))
            return replace(one, head=words(_summary(one)).title) if one.standings else one

        ended = said(self.ended) if self.ended else None
        return replace(self, standing=said(self.standing), fresh=said(self.fresh), ended=ended)


def turn(known: Conversation | None, place: Place, alerts: Sequence[Alert], now: int) -> Turn | None:
    """What is to be shown after `alerts` (of one group) at `now` (Unix seconds); None when they are no part of one.

    `known` is the conversation as it stood, and `place` where it is.
    """
    new = Conversation(now).after(alerts)
    if known is None:
        return Turn(tuple(alerts), new, new) if any(alert.kind in _SEEN for alert in alerts) else None
    fresh = known.lasting(now).after(alerts)
    if not any(alert.kind in _SEEN or known.has(alert.finding or alert.about) for alert in alerts):
        return None
    after = known.after(alerts).trimmed()
    if not any(alert.kind in _NEWS for alert in alerts):
        return Turn(tuple(alerts), after, fresh, place)
    old = known.after(alert for alert in alerts if known.has(alert.finding))
    if now - known.began_at >= LONGEST:
        return Turn(tuple(alerts), old.lasting(now).after(alerts), fresh, ended=old, ended_at=place)
    if known.over or len(after.standings) > max(FINDINGS_MAX, len(known.standings)):
        return Turn(tuple(alerts), new, fresh, ended=old, ended_at=place)
    return Turn(tuple(alerts), after, fresh, place)


def _summary(one: Conversation) -> Alert:
    """Several findings as one alert, as far as they can be: what a template may name of them."""
    levels = [each.line.level for each in one.standings if not each.resolved] or [
        each.line.level for each in one.standings
    ]
    kinds = {each.line.resource_kind for each in one.standings}
    return Alert(
        id="",
        kind=AlertKind.DIGEST,
        organization=one.organization,
        level=max(levels, key=lambda level: level.rank),
        title=one.title,
        text="",
        at=max(each.at for each in one.standings),
        policy=one.policy,
        resource_kind=kinds.pop() if len(kinds) == 1 else "",
        lines=tuple(each.line for each in one.standings),
        link=one.link,
    )


def _says_nothing(alert: Alert, standing: Standing | None) -> bool:
    """Whether it is told again what stands there, or marked what does not."""
    if standing is None:
        return alert.marks
    return alert.kind in _OPENING and standing.kind in _OPENING


def _standing(alert: Alert) -> Standing:
    name = alert.resource_name or alert.resource_id or alert.title
    line = Line(
        alert.level,
        alert.policy,
        name[:MESSAGE_MAX],
        (alert.text or alert.title)[:MESSAGE_MAX],
        alert.kind.value,
        alert.finding,
        alert.resource_kind,
        alert.resource_id,
        alert.reason,
    )
    return Standing(alert.finding, alert.kind, alert.title, line, alert.at, alert.by, alert.waivable)


def encode(conversation: Conversation) -> bytes:
    """JSON for the store."""
    return msgspec.json.encode(conversation)


def decode(data: bytes) -> Conversation:
    """The conversation that `encode` wrote. Raises msgspec.DecodeError."""
    return decoded(data, Conversation)
