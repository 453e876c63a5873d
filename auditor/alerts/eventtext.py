"""An audit event as JSON that is no longer than it may be, and still JSON. Pure."""

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

_KEPT = ("id", "type", "effective_at", "actor")
"""What an event is known by: it is shortened last."""
_LAST = ("id", "type")
LEAST = '{"truncated": true}'
"""What is said of an event for which there is no room at all."""
_SIZES = (1000, 300, 100, 30, 10)
"""Characters of a text and items of a list that are left, from try to try."""
_KEPT_SIZES = (100, 30, 10)
"""The same for what an event is known by. A character may become twelve bytes, or more where a format escapes it."""
_DEPTH = 20


def event_text(raw: str, fits: Callable[[str], bool]) -> str:
    """The event on one line of ASCII; whole when that `fits`.

    Else long texts end in an ellipsis, long lists early, and `"truncated": true` says so. Where nothing else is left to
    shorten, the payload is left out, then the actor, and at last id and type: `LEAST` is what must always fit.
    """
    event = json.loads(raw)
    whole = _json(event)
    if fits(whole):
        return whole
    known = {name: _short(event[name], _KEPT_SIZES[0]) for name in _KEPT if name in event}
    tries = [{**known, **_short(_others(event), size)} for size in _SIZES]
    tries += [known, *({name: _short(known[name], size) for name in _LAST if name in known} for size in _KEPT_SIZES)]
    texts = (_json({**each, "truncated": True}) for each in tries)
    return next(filter(fits, texts), LEAST)


def _json(event: dict[str, Any]) -> str:
    return json.dumps(event).replace("\x7f", "\\u007f")


def _others(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in _KEPT}


def _short(value: Any, size: int, depth: int = 0) -> Any:
    if isinstance(value, str):
        return value if len(value) <= size else value[: size - 1] + "…"
    if isinstance(value, (dict, list)) and depth > _DEPTH:
        return "…"
    if isinstance(value, list):
        return [_short(each, size, depth + 1) for each in value[:size]]
    if isinstance(value, dict):
        return {_short(name, size): _short(each, size, depth + 1) for name, each in islice(value.items(), size)}
    return value
