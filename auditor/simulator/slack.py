"""A fake Slack: the part of the Web API and of incoming webhooks that the auditor uses, over real HTTP.

It refuses what Slack refuses, keeps what it accepted, and fails on demand.
Methods: https://docs.slack.dev/reference/methods
Webhooks: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from auditor.simulator.slack_calls import Body, Refusal, demand
from auditor.simulator.slack_interactive import Interactive
from auditor.simulator.slack_workspace import POST, Channel, FakeSlack, Fault, FaultKind

WEBHOOK_PATH = "/services/T00000000/B00000000/simulatedwebhook"


def create_app(slack: FakeSlack) -> Starlette:
    """The ASGI application of one workspace: `/api/METHOD` and the webhook at `WEBHOOK_PATH`."""

    async def api(request: Request) -> Response:
        method = request.path_params["method"]
        slack.calls.append(method)
        body = await _body(request)
        if method == "apps.connections.open":
            return await _answer(slack, method, lambda: _ok(url=_interactive(slack).open(_token(request, body))))
        if not _authorized(slack, request, body):
            return _refused(Refusal("invalid_auth" if _token(request, body) else "not_authed"))
        if method not in _METHODS:
            return _refused(Refusal("unknown_method"))
        return await _answer(slack, method, lambda: _permitted(slack, method, body)(slack, body))

    async def webhook(request: Request) -> Response:
        slack.calls.append("webhook")
        body = await _body(request)
        if not body:
            return PlainTextResponse("invalid_payload", 400)
        try:
            return await _answer(slack, "webhook", lambda: _webhook(slack, body))
        except Refusal as refusal:
            return PlainTextResponse(refusal.error, 400)

    return Starlette(
        routes=[
            Route("/api/{method}", api, methods=["GET", "POST"]),
            Route(WEBHOOK_PATH, webhook, methods=["POST"]),
            Route("/services/{rest:path}", lambda _request: PlainTextResponse("no_service", 404), methods=["POST"]),
        ]
    )


def _permitted(slack: FakeSlack, method: str, body: Body) -> Callable[[FakeSlack, Body], Response]:
    needed = _SCOPES.get(method)
    if needed and needed not in slack.scopes:
        raise Refusal("missing_scope", needed=needed)
    demand(method, body)
    return _METHODS[method]


async def _answer(slack: FakeSlack, method: str, act: Callable[[], Response]) -> Response:
    fault = slack.next_fault(method)
    before = _instead(fault) if fault else None
    if before is not None:
        return before
    try:
        response = act()
    except Refusal as refusal:
        if method == "webhook" and refusal.error != "ratelimited":
            raise
        return _refused(refusal)
    if fault and fault.kind is FaultKind.SLOW:
        await asyncio.sleep(fault.seconds)
    if fault and fault.kind is FaultKind.CUT:
        return _Cut(response.body)
    return response


def _instead(fault: Fault) -> Response | None:
    """The answer of a fault that accepts nothing."""
    match fault.kind:
        case FaultKind.RATE_LIMITED:
            return _limited(fault.seconds)
        case FaultKind.SERVER_ERROR:
            return PlainTextResponse("upstream connect error", 503)
        case FaultKind.REDIRECT:
            return Response(status_code=302, headers={"location": "/api/auth.test"})
        case FaultKind.REFUSED:
            return _refused(Refusal(fault.error))
        case _:
            return None


class _Cut(Response):
    """Announces the whole body, sends half of it and returns: the server then drops the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def _limited(seconds: float) -> Response:
    return JSONResponse({"ok": False, "error": "ratelimited"}, 429, headers={"retry-after": f"{seconds:g}"})


def _refused(refusal: Refusal) -> Response:
    if refusal.error == "ratelimited":
        return _limited(1)
    answer: dict[str, object] = {"ok": False, "error": refusal.error}
    if refusal.messages:
        told = [each.removeprefix("[ERROR] ") for each in refusal.messages]
        answer |= {"errors": told, "response_metadata": {"messages": refusal.messages}}
    if refusal.needed:
        answer |= {"needed": refusal.needed, "provided": "none"}
    return JSONResponse(answer)


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            value = json.loads(raw)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}
    form = {key: values[-1] for key, values in parse_qs(raw.decode("utf-8", "replace")).items()}
    return {**request.query_params, **form}


def _token(request: Request, body: Body) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else str(body.get("token") or "")


def _authorized(slack: FakeSlack, request: Request, body: Body) -> bool:
    return hmac.compare_digest(_token(request, body).encode(), slack.token.encode())


def _ok(**values: object) -> Response:
    # Slack writes every sign out that is not ASCII.
    return Response(json.dumps({"ok": True, **values}), media_type="application/json")


def _webhook(slack: FakeSlack, body: Body) -> Response:
    slack.post(body, slack.channels[0], "webhook")
    return PlainTextResponse("ok")


def _post_message(slack: FakeSlack, body: Body) -> Response:
    posted = slack.post(body, slack.find_channel(body.get("channel")), POST)
    return _ok(channel=posted.channel, ts=posted.ts, message={"text": posted.text, "blocks": posted.blocks})


def _update(slack: FakeSlack, body: Body) -> Response:
    posted = slack.update(body)
    return _ok(channel=posted.channel, ts=posted.ts, text=posted.text)


def _auth_test(_slack: FakeSlack, _body: Body) -> Response:
    return _ok(
        url="https://example.slack.test/", team="Example", team_id="T00000000", user="auditor", bot_id="B00000001"
    )


def _shape(channel: Channel) -> dict[str, object]:
    return {"id": channel.id, "name": channel.name, "is_channel": True, "is_member": channel.member}


def _list(slack: FakeSlack, body: Body) -> Response:
    start, limit = int(body.get("cursor") or 0), int(body.get("limit") or 100)
    page = slack.channels[start : start + limit]
    following = str(start + limit) if start + limit < len(slack.channels) else ""
    return _ok(channels=[_shape(channel) for channel in page], response_metadata={"next_cursor": following})


def _info(slack: FakeSlack, body: Body) -> Response:
    return _ok(channel=_shape(slack.find_channel(body.get("channel"))))


def _join(slack: FakeSlack, body: Body) -> Response:
    channel = slack.find_channel(body.get("channel"))
    channel.member = True
    return _ok(channel=_shape(channel))


def _open(slack: FakeSlack, body: Body) -> Response:
    user = str(body.get("users") or "")
    if user not in slack.people.values():
        raise Refusal("user_not_found")
    direct = Channel(f"D{user[1:]}", f"direct-{user}")
    if direct not in slack.channels:
        slack.channels.append(direct)
    return _ok(channel={"id": direct.id})


def _lookup(slack: FakeSlack, body: Body) -> Response:
    email = str(body.get("email") or "")
    if email not in slack.people:
        raise Refusal("users_not_found")
    return _ok(user={"id": slack.people[email], "profile": {"email": email}})


def _interactive(slack: FakeSlack) -> Interactive:
    if slack.interactive is None:
        raise Refusal("forbidden_team")
    return slack.interactive


def _ephemeral(slack: FakeSlack, body: Body) -> Response:
    return _ok(message_ts=_interactive(slack).whisper(body))


def _view(slack: FakeSlack, body: Body) -> Response:
    return _ok(view=_interactive(slack).show(body))


def _user(slack: FakeSlack, body: Body) -> Response:
    return _ok(user=_interactive(slack).person(str(body.get("user") or "")))


_SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.open": "im:write",
    "users.lookupByEmail": "users:read.email",
}

_METHODS: Mapping[str, Callable[[FakeSlack, Body], Response]] = {
    "auth.test": _auth_test,
    "chat.postEphemeral": _ephemeral,
    "chat.postMessage": _post_message,
    "chat.update": _update,
    "conversations.info": _info,
    "conversations.join": _join,
    "conversations.list": _list,
    "conversations.open": _open,
    "users.info": _user,
    "users.lookupByEmail": _lookup,
    "views.open": _view,
}
