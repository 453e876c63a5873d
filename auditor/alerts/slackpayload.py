"""What Slack sends over a socket, read strictly: of the few things that concern the auditor the few fields it needs.

Formats: https://docs.slack.dev/apis/events-api/using-socket-mode and
https://docs.slack.dev/reference/interaction-payloads
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from auditor.alerts.buttons import WAIVE
from auditor.alerts.slackpress import Button, Click, FindingId, Id, Note, Presser, Submission

TEXT_MAX = 1_000_000
"""Characters of one text; Slack's own are a tenth of that at most."""

Short = Annotated[str, msgspec.Meta(max_length=255)]


class _Place(msgspec.Struct, frozen=True):
    id: Id


class _Home(msgspec.Struct, frozen=True):
    id: Id
    enterprise_id: Id | None = None


class _Person(msgspec.Struct, frozen=True):
    id: Id
    team_id: Id | None = None


class _Option(msgspec.Struct, frozen=True):
    value: Short = ""


class _Action(msgspec.Struct, frozen=True):
    """A button has a value, a menu the option that was chosen in it."""

    action_id: Short
    value: Short = ""
    selected_option: _Option | None = None
    action_ts: Short = ""


class _Pressed(msgspec.Struct, frozen=True):
    user: _Person
    actions: Annotated[list[_Action], msgspec.Meta(min_length=1, max_length=25)]
    trigger_id: Id
    team: _Home | None = None
    enterprise: _Place | None = None
    channel: _Place | None = None


class _View(msgspec.Struct, frozen=True):
    id: Id
    callback_id: Short = ""
    private_metadata: Annotated[str, msgspec.Meta(max_length=3000)] = ""
    state: Mapping[str, Any] = {}


class _Submitted(msgspec.Struct, frozen=True):
    user: _Person
    view: _View
    team: _Home | None = None
    enterprise: _Place | None = None


@dataclass(frozen=True, slots=True)
class Hello:
    """The connection stands."""

    app: str = ""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The connection is about to end, and another one is wanted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """What has to be confirmed within three seconds."""

    id: str
    content: Click | Submission | None = None
    """None for what is no concern of ours, and for what is not as Slack describes it."""
    why: str = ""
    """`ignored` or `malformed` where there is no content."""


class Malformed(Exception):
    """What came is not what Slack says it sends. The message holds nothing of it."""


class _Wrapped(msgspec.Struct, frozen=True):
    type: Short
    envelope_id: Id | None = None
    payload: Any = None
    reason: Any = None
    connection_info: Any = None


def read(text: str, app: str = "") -> Hello | Leaving | Envelope | None:
    """What `text` says; None for a kind of message that nobody knows. Raises Malformed.

    `app` is the id of the app that the connection belongs to, where it is known: what is of another one is no concern.
    """
    if len(text) > TEXT_MAX:
        raise Malformed("too long")
    try:
        wrapped = msgspec.json.decode(text, type=_Wrapped)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Malformed("no message of Slack's") from None
    match wrapped.type:
        case "hello":
            return Hello(_word(wrapped.connection_info, "app_id"))
        case "disconnect":
            return Leaving(_word({"reason": wrapped.reason}, "reason") or "unknown")
    if wrapped.envelope_id is None:
        return None
    try:
        content = _content(wrapped, app)
    except Malformed:
        # Confirmed all the same: it would be no better the next time.
        return Envelope(wrapped.envelope_id, why="malformed")
    return Envelope(wrapped.envelope_id, content, "" if content else "ignored")


def _word(value: object, key: str) -> str:
    """A word that may be logged."""
    word = value.get(key) if isinstance(value, dict) else None
    return (
        word if isinstance(word, str) and word.isascii() and word.replace("_", "").isalnum() and len(word) < 60 else ""
    )


def _content(wrapped: _Wrapped, app: str) -> Click | Submission | None:
    payload = wrapped.payload
    if wrapped.type != "interactive" or not isinstance(payload, dict):
        return None
    if app and payload.get("api_app_id", app) != app:
        return None
    match payload.get("type"):
        case "block_actions":
            return _click(payload)
        case "view_submission":
            return _submission(payload)
        case _:
            return None


def _click(payload: Mapping[str, Any]) -> Click | None:
    pressed = _converted(payload, _Pressed)
    ours = next((each for each in pressed.actions if each.action_id in set(Button)), None)
    if ours is None:
        return None
    if pressed.channel is None:
        raise Malformed("no channel")
    return Click(
        Button(ours.action_id),
        _converted(ours.selected_option.value if ours.selected_option else ours.value, FindingId),
        _presser(pressed),
        pressed.channel.id,
        pressed.trigger_id,
    )


def _submission(payload: Mapping[str, Any]) -> Submission | None:
    view = payload.get("view")
    if not isinstance(view, dict) or view.get("callback_id") != WAIVE:
        return None
    submitted = _converted(payload, _Submitted)
    try:
        note = msgspec.json.decode(submitted.view.private_metadata, type=Note)
    except msgspec.DecodeError:
        raise Malformed("no dialog of ours") from None
    values = submitted.view.state.get("values")
    return Submission(
        submitted.view.id,
        note.finding,
        _presser(submitted),
        note.channel,
        _value(values, "reason", "value"),
        _value(values, "until", "selected_date"),
        _value(values, "ticket", "value"),
    )


def _value(values: object, name: str, key: str) -> str:
    """What was written into the field `name`; block and element are called the same."""
    for step in (name, name, key):
        values = values.get(step) if isinstance(values, dict) else None
    return values.strip() if isinstance(values, str) else ""


def _presser(payload: _Pressed | _Submitted) -> Presser:
    workspace = payload.team.id if payload.team else ""
    # An app that is installed for a whole organization is told of no workspace.
    enterprise = payload.enterprise.id if payload.enterprise else (payload.team and payload.team.enterprise_id) or ""
    return Presser(payload.user.id, payload.user.team_id or workspace, workspace, enterprise)


T = TypeVar("T")


def _converted(value: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError):
        raise Malformed("not as Slack describes it") from None
