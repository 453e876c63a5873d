"""Slack's rules for rich text: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block"""

from collections.abc import Mapping

from auditor.simulator.slack_rules import Faults, Rule, fault, flag, items, kinds, number, shape, string, word

LEAF_MAX = 3000
_ID = string(255)
_WORDS = string(LEAF_MAX)
_STYLES = {"bold", "italic", "strike", "code", "underline"}
_MENTIONED = (_STYLES - {"code", "underline"}) | {"highlight", "client_highlight", "unlink"}


def _style(known: set[str]) -> Rule:
    rule = shape({}, dict.fromkeys(known, flag))

    def styled(value: object, where: str) -> Faults:
        if any(rule(value, where)):
            yield fault("invalid style", where)

    return styled


def _leaf(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None, known: set[str] = _STYLES) -> Rule:
    return shape(required, {"style": _style(known), **(optional or {})})


_LEAVES = kinds(
    {
        "text": _leaf({"text": _WORDS}),
        "link": _leaf({"url": _WORDS}, {"text": _WORDS, "unsafe": flag}),
        "emoji": _leaf({"name": _ID}, {"unicode": _ID, "skin_tone": number(1, 6)}),
        "user": _leaf({"user_id": _ID}, known=_MENTIONED),
        "channel": _leaf({"channel_id": _ID}, known=_MENTIONED),
        "usergroup": _leaf({"usergroup_id": _ID}, known=_MENTIONED),
        "team": _leaf({"team_id": _ID}),
        "broadcast": _leaf({"range": word("here", "channel", "everyone")}),
        "color": _leaf({"value": string(7, form="#[0-9A-Fa-f]{6}")}),
        "date": _leaf({"timestamp": number(0, 99_999_999_999), "format": _WORDS}, {"url": _WORDS, "fallback": _WORDS}),
    }
)
_BORDER = {"border": number(0, 1)}
_SECTION = shape({"elements": items(_LEAVES)})
_LIST = shape(
    {"style": word("bullet", "ordered"), "elements": items(kinds({"rich_text_section": _SECTION}))},
    {"indent": number(0, 8), "offset": number(0, 1_000_000), **_BORDER},
)

RICH_TEXT = shape(
    {
        "elements": items(
            kinds(
                {
                    "rich_text_section": _SECTION,
                    "rich_text_list": _LIST,
                    "rich_text_quote": shape({"elements": items(_LEAVES)}, _BORDER),
                    "rich_text_preformatted": shape({"elements": items(_LEAVES)}, {**_BORDER, "language": _ID}),
                }
            )
        )
    },
    {"block_id": _ID},
)
