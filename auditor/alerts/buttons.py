"""What people press in Slack who are told of findings: a button under one, a menu under several.

Limits: https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    InteractiveElement,
    Option,
    PlainTextObject,
    StaticSelectElement,
)

from auditor.alerts import richtext as rich
from auditor.alerts.conversation import Standing
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.untrusted import named
from auditor.alerts.words import SHAPES

ACKNOWLEDGE = "auditor.acknowledge"
WAIVE = "auditor.waive"
"""Ids of the buttons and menus, whose values are ids of findings."""
OPTIONS_MAX = 100
OPTION_MAX = 75
MENUS_MAX = 3500
"""Characters of all options: the lines above have the rest of what Slack takes in a message (blockkit.WORDS_MAX)."""

_UNDECIDED = frozenset({AlertKind.OPENED, AlertKind.REOPENED, AlertKind.OCCURRED})


@dataclass(frozen=True, slots=True)
class Buttons:
    """Which ones there are: one that nobody listens to is worse than none, and so is one that is always refused."""

    acknowledge: bool = False
    waive: bool = False

    def under(self, alert: Alert) -> Sequence[Block]:
        """Those of an alert about one finding; none where nothing is left to decide."""
        made: list[InteractiveElement] = []
        if alert.finding and self._acknowledges(alert.kind):
            made.append(_button("Acknowledge", ACKNOWLEDGE, alert.finding))
        if alert.finding and alert.waivable and self._waives(alert.kind):
            made.append(_button("Waive", WAIVE, alert.finding))
        return [ActionsBlock(elements=made)] if made else []

    def among(self, ranked: Sequence[Standing]) -> Sequence[Block]:
        """Menus of several findings, in this order: as many as there is room for, the same in both."""
        offered = [each for each in ranked if self._acknowledges(each.kind) or self._may_waive(each)]
        options = _fitting(offered)
        shown = list(zip(offered, options, strict=False))
        known = [option for each, option in shown if self._acknowledges(each.kind)]
        accepted = [option for each, option in shown if self._may_waive(each)]
        made = [
            StaticSelectElement(placeholder=_plain(words), action_id=action, options=some)
            for words, action, some in (("Acknowledge ...", ACKNOWLEDGE, known), ("Waive ...", WAIVE, accepted))
            if some
        ]
        menus: list[Block] = [ActionsBlock(elements=made)] if made else []
        if len(offered) > len(options):
            words = f"The menus hold the {len(options)} worst; the others follow as these are decided."
            menus.append(ContextBlock(elements=[rich.plain(words, 2 * OPTION_MAX)]))
        return menus

    def _may_waive(self, standing: Standing) -> bool:
        return standing.waivable and self._waives(standing.kind)

    def _acknowledges(self, kind: AlertKind) -> bool:
        return self.acknowledge and kind in _UNDECIDED

    def _waives(self, kind: AlertKind) -> bool:
        return self.waive and kind in _UNDECIDED | {AlertKind.ACKNOWLEDGED}


NONE = Buttons()


def _button(words: str, action: str, finding: str) -> ButtonElement:
    return ButtonElement(text=PlainTextObject(text=words, emoji=False), action_id=action, value=finding)


def _option(line: Line) -> str:
    shape = SHAPES[line.level]
    return f"{shape} {named(line.resource, line.resource_id, OPTION_MAX - len(shape) - 1)}"


def _plain(words: str) -> PlainTextObject:
    return rich.plain(words, OPTION_MAX)


def _fitting(offered: Sequence[Standing]) -> Sequence[Option]:
    """An option for each finding, as many as two menus of a message hold.

    What another one is called, too, is told apart by the finding's id.
    """
    names = [_option(each.line) for each in offered]
    often = Counter(names)
    more = [f"finding {each.finding}" if often[name] > 1 else "" for each, name in zip(offered, names, strict=True)]
    sizes = accumulate(2 * (len(name) + len(words)) for name, words in zip(names, more, strict=True))
    room = max(sum(size <= MENUS_MAX for size in sizes), 1)
    return [
        Option(value=each.finding, text=_plain(name), description=_plain(words) if words else None)
        for each, name, words in list(zip(offered, names, more, strict=True))[: min(room, OPTIONS_MAX)]
    ]
