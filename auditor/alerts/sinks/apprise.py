"""Any of the services that Apprise speaks to, more than a hundred. Their addresses: https://appriseit.com/services/

Apprise says whether a service took the message and not why it did not, so every failure is tried again. An answer that
is cut off within its headers is a whole one to what Apprise is built on, and so confirms. It connects by itself, also
to hosts that stand elsewhere in the address (`?smtp=`): each connection is checked when it is opened, and beforehand
the host, which is all that is known of a service that works in threads of its own: XMPP, and MQTT when it connects
anew.
"""

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import SecretStr, model_validator

from auditor.alerts import digests
from auditor.alerts.aside import aside
from auditor.alerts.listing import more
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.outbound import watched
from auditor.alerts.remote import RemoteConfig
from auditor.alerts.sink import Context, Example, Receipt, require_one, secret
from auditor.alerts.untrusted import named, one_line, paragraph
from auditor.alerts.words import counted, label, moment, sign
from auditor.errors import ConfigError, DeliveryError
from auditor.terms import Level

BODY_MAX = 2000
SHORT = 1000
"""Characters of the body where the service takes fewer than `SHORT`: those of short messages divide it themselves."""
MORE_MAX = 200
"""Characters that say how many more lines there are."""
SPLIT_MAX = 128 * 1024
"""The same where the operator lets Apprise divide it (`?overflow=split`)."""
_DIRECTLY = frozenset({"xmpp", "xmpps", "mqtt", "mqtts"})
"""Services that work in threads of their own, where nobody watches, and know no proxy of the environment."""
_MENTION = re.compile(r"<(?=[!@#])|@(?=(?:all|channel|everyone|here)\b)|(?<!\w)@(?=\w)", re.IGNORECASE)

# They log addresses, which are credentials; the outbox logs each failure itself.
for _name in ("apprise", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Config(RemoteConfig):
    """`url` or `url_file`: one address of Apprise, as `discord://...` or `tgram://...`; it is the credential.

    One sink has one address: with several, one that fails would repeat the message for the others.
    """

    url: SecretStr | None = None
    url_file: Path | None = None

    @model_validator(mode="after")
    def _one_url(self) -> "Config":
        require_one(self, "url", "url_file")
        return self

    def service(self) -> Any:
        """The service of the address, from Apprise. Raises ConfigError."""
        try:
            import apprise  # noqa: PLC0415 - an extra, and slow to import

            from auditor.alerts import bounded  # noqa: PLC0415 - needs the extra
        except ImportError:
            hint = "pip install 'openai-org-auditor[apprise]'"
            raise ConfigError("Apprise is not installed", hint=hint) from None
        bounded.install()
        asset = apprise.AppriseAsset(
            app_id="auditor",
            app_desc="OpenAI organization auditor",
            async_mode=False,
            http_redirects=False,
            storage_mode="memory",
            secure_logging=True,
            service_timeout=self.timeout,
        )
        service = apprise.Apprise.instantiate(secret(self.url, self.url_file), asset=asset)
        if service is None:
            raise ConfigError("the url is none that Apprise knows", hint="try it: apprise -t test -b test URL")
        if service.redirects:
            # Who answers would choose another host for the message, and its word would confirm that it arrived.
            hint = "take `redirect` out of it, and name the address where redirects lead to"
            raise ConfigError("the url asks to follow redirects, which no sink does", hint=hint)
        service.socket_connect_timeout = service.socket_read_timeout = self.timeout
        return service

    def place(self) -> str:
        """Host and port where the address names them, and else the service: there the host may be part of a secret."""
        service = self.service()
        host, port = _host(service), getattr(service, "port", None)
        return f"{host}:{port}" if host and port else host or str(service.service_name)

    def ready(self) -> None:
        """Raise ConfigError when Apprise cannot use the address."""
        super().ready()
        self.service()


TAKES_EVENTS = True

EXAMPLES = {
    "apprise": Example({"url": "json://{host}:{port}/{secret}", "timeout": "1", "allow_private": "true"}),
}


def render(config: Config, alert: Alert) -> str:
    """Title and body, with as many lines as the service takes; where its address is not at hand, as most take."""
    try:
        room = _room(config.service(), alert)
    except ConfigError:
        room = BODY_MAX
    return f"{_title(alert)}\n\n{_body(alert, room)}\n"


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Let Apprise send the message. Raises DeliveryError, always retryable."""
    try:
        async with asyncio.timeout(config.timeout):
            taken = await aside(lambda: _notify(config, alert))
    except OSError:
        taken = False
    if not taken:
        raise DeliveryError("Apprise could not deliver the message", hint="try: apprise -vvv URL", retryable=True)
    return Receipt()


def _notify(config: Config, alert: Alert) -> bool:
    service = config.service()
    host = _host(service)
    told = {
        "body": _body(alert, _room(service, alert)),
        "title": _title(alert),
        "notify_type": _type(alert),
        "body_format": "text",
    }
    with watched(config.allowance, config.timeout) as watch:
        if host:
            directly = not _DIRECTLY.isdisjoint(service.schemas())
            watch.begin(host, getattr(service, "port", None) or 443, directly=directly)
        try:
            taken = bool(service.notify(**told))
        except Exception as error:  # noqa: BLE001 - its more than a hundred services trip over answers in as many ways
            reason = f"Apprise tripped over the answer ({type(error).__name__})"
            raise watch.refused or DeliveryError(reason, hint="try: apprise -vvv URL", retryable=True) from None
    if watch.refused and not taken:
        raise watch.refused
    return taken and not watch.late


def _host(service: Any) -> str:
    """The host that the address names; empty where something else stands in its place, as the token of a bot."""
    meant = service.template_tokens.get("host")
    host = getattr(service, "smtp_host", None) or getattr(service, "host", None)
    return host if isinstance(host, str) and meant and not meant.get("private") and "map_to" not in meant else ""


def _type(alert: Alert) -> str:
    if alert.mended:
        return "success"
    if alert.dropped or alert.kind in (AlertKind.REPORT, AlertKind.ACKNOWLEDGED):
        return "info"
    return {Level.CRITICAL: "failure", Level.HIGH: "failure", Level.MEDIUM: "warning"}.get(alert.level, "info")


def _title(alert: Alert) -> str:
    return _harmless(one_line(f"{sign(alert)} {label(alert)}: {alert.title}", 200))


def _room(service: Any, alert: Alert) -> int:
    """Characters of the body that the service takes; of what has no title, that stands in the body."""
    if service.overflow_mode == "split":
        return SPLIT_MAX
    title = 0 if service.title_maxlen > 0 else _size(_title(alert)) + 2
    most = int(service.body_maxlen) - title
    return most if most >= SHORT else BODY_MAX


def _body(alert: Alert, room: int) -> str:
    """What is told in at most `room` characters: as many lines as fit, and how many more there are."""
    head, foot = _joined(_above(alert)), _joined(_below(alert))
    end = _joined((alert.link, f"{one_line(alert.organization, 80)}, {moment(alert.at)}"))
    left = room - _size(end) - 1
    lines = _lines(alert, left - _size(head) - _size(foot) - 2)
    return _joined((_cut(_joined((head, *lines, foot)), left), end))


def _above(alert: Alert) -> Iterable[str]:
    yield _harmless(paragraph(alert.text, 600))
    yield from (_harmless(f"{one_line(name, 40)}: {one_line(value, 120)}") for name, value in _facts(alert))


def _below(alert: Alert) -> Iterable[str]:
    if alert.kind is not AlertKind.RESOLVED:
        yield _harmless(paragraph(alert.remediation, 300))


def _lines(alert: Alert, room: int) -> Sequence[str]:
    """Those of a digest that take at most `room` characters, and how many more there are."""
    told = [_line(line) for line in alert.lines[: digests.LINES_MAX]]
    sizes = list(accumulate(_size(line) + 1 for line in told))
    if len(told) == len(alert.lines) and (not sizes or sizes[-1] <= room):
        return told
    fit = sum(size <= room - MORE_MAX for size in sizes)
    left = counted(len(alert.lines) - fit, "more finding")
    return [*told[:fit], one_line(more(left, alert.lines, alert.link), MORE_MAX - 1)]


def _line(line: Line) -> str:
    return _harmless(f"{line.level.value} {named(line.resource, line.resource_id, 100)}: {one_line(line.message, 100)}")


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)


def _size(text: str) -> int:
    # Some services count what UTF-16 has of them, which is never less than there are.
    return len(text.encode("utf-16-le", "replace")) // 2


def _cut(text: str, limit: int) -> str:
    return text.encode("utf-16-le", "replace")[: 2 * max(limit, 0)].decode("utf-16-le", "ignore")


def _facts(alert: Alert) -> list[tuple[str, str]]:
    name = named(alert.resource_name, alert.resource_id, 120)
    return [("Resource", name), *alert.facts[:6]] if name else list(alert.facts[:6])


def _harmless(text: str) -> str:
    """Nobody is called by `@name` or in the way of Slack and Discord, and no address with a scheme stays one.

    A service may still make a link of what looks like the name of a host, as `www.example.com`.
    """
    return _MENTION.sub(lambda found: f"{found[0]} ", text).replace("://", "[:]//")
