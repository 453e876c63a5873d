"""Slack's rules for dialogs: https://docs.slack.dev/reference/views/modal-views"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from auditor.simulator.slack_blocks import modal_faults
from auditor.simulator.slack_calls import Body, Refusal, parsed
from auditor.simulator.slack_rules import Faults, fault, fields, flag, kinds, listed, plain, shape, string

VIEW_MAX = 250_000
"""Bytes of the whole."""


def asked_view(body: Body, earlier: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The view that a call wants to open, which none `earlier` may be called like. Raises Refusal."""
    view: dict[str, Any] = parsed(body.get("view"), "invalid_arguments")
    if len(json.dumps(view, ensure_ascii=False).encode("utf-8", "replace")) > VIEW_MAX:
        raise Refusal("view_too_large")
    if found := [*_VIEW(view, "/view")] or [*_unsent(view)]:
        raise Refusal("invalid_arguments", found)
    name = view.get("external_id")
    if name and any(each.get("external_id") == name for each in earlier):
        raise Refusal("duplicate_external_id")
    return view


def _blocks(value: object, _where: str) -> Faults:
    yield from modal_faults(value)


def _unsent(view: object) -> Faults:
    """What is filled in must be sent off."""
    asks = any(fields(block).get("type") == "input" for block in listed(fields(view).get("blocks")))
    if asks and "submit" not in fields(view):
        yield fault("missing required field: submit", "/view")


_VIEW = kinds(
    {
        "modal": shape(
            {"title": plain(24), "blocks": _blocks},
            {
                "submit": plain(24),
                "close": plain(24),
                "callback_id": string(255, 0),
                "external_id": string(255, 0),
                "private_metadata": string(3000, 0),
                "clear_on_close": flag,
                "notify_on_close": flag,
                "submit_disabled": flag,
            },
        )
    }
)
