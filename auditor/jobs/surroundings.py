"""What an installation needs beside the API: store, page, sinks, and where the key is kept. A line each."""

import errno
import os
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import httpx

from auditor import tls
from auditor.alerts import slacksocket
from auditor.alerts.aside import aside
from auditor.alerts.destination import Allowance, connect, left_to_proxy
from auditor.alerts.message import Alert
from auditor.alerts.proxies import proxy_for
from auditor.alerts.remote import RemoteConfig
from auditor.alerts.sink import Context, Sink
from auditor.alerts.sinks import slack
from auditor.config import ENV_PREFIX, OrganizationConfig
from auditor.errors import AuditorError, ConfigError, DeliveryError, StoreError
from auditor.jobs.diagnosis import Exit, Line, Mark
from auditor.store import mode
from auditor.store.database import Store, open_store
from auditor.webconfig import Web

CONNECT_SECONDS = 5.0


def opened(url: str) -> tuple[Store | None, Line]:
    """The open store, if there is one, and what to say of it. A file that does not exist is not made."""
    file = mode.file_of(url)
    if file is not None and not file.exists():
        return None, _to_be_made(file)
    try:
        store = open_store(url)
    except StoreError as error:
        return None, Line(Mark.FAIL, "store", error.message, error.hint)
    try:
        with store.transaction() as tx:
            words = mode.mode_of(tx)
    except StoreError as error:
        store.close()
        return None, Line(Mark.FAIL, "store", error.message, error.hint)
    if file is not None and mode.readable_by_others(file):
        return store, Line(Mark.WARN, "store", f"{words}; {file} can be read by everybody here", f"chmod 600 {file}")
    return store, Line(Mark.OK, "store", words)


def _to_be_made(file: Path) -> Line:
    if file.parent.is_dir() and os.access(file.parent, os.W_OK):
        return Line(Mark.OK, "store", f"{file} does not exist yet; the first run makes it")
    return Line(
        Mark.FAIL, "store", f"{file} cannot be made", f"make the directory {file.parent}, and let it be written"
    )


def page(web: Web) -> Line:
    """Whether the page can be served, or is being served, and what its passwords are worth."""
    host, port = web.address
    try:
        if web.tls:
            tls.context(web.tls)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
        words = f"{host}:{port} is free"
    except ConfigError as error:
        return Line(Mark.FAIL, "page", error.message, error.hint, Exit.CONFIG)
    except OSError as error:
        if not _is_ours(web):
            reason = error.strerror or str(error)
            return Line(Mark.FAIL, "page", f"cannot listen on {host}:{port}: {reason}", "choose another `web.listen`")
        words = f"an auditor serves {host}:{port} already"
    if web.clear:
        hint = "set `web.tls`, or let a proxy before the page encrypt"
        return Line(Mark.WARN, "page", f"{words}; passwords cross the network in clear", hint)
    return Line(Mark.OK, "page", words)


def _is_ours(web: Web) -> bool:
    host, port = web.address
    name = f"[{host}]" if ":" in host else host
    try:
        # The certificate is of the name by which people ask, and not of this address.
        address = f"{'https' if web.tls else 'http'}://{name}:{port}/livez"
        answer = httpx.get(address, timeout=2.0, trust_env=False, verify=False)  # noqa: S501
        return answer.status_code in {200, 503} and answer.json().get("status") in {"ok", "unavailable"}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
        return False


async def sink(one: Sink) -> Line:
    """Whether the host of the sink can be reached; nothing is sent."""
    topic = f"sink {one.name}"
    try:
        address, place = one.config.address(), one.config.place()
    except ConfigError as error:
        return Line(Mark.FAIL, topic, error.message, error.hint, Exit.CONFIG)
    if address is None:
        why = f"{place} cannot be tried without a message" if place else "it needs no host"
        return Line(Mark.OK, topic, f"{one.kind}: built; {why}")
    host, port = address
    remote = one.config if isinstance(one.config, RemoteConfig) else None
    allowance = remote.allowance if remote else Allowance()
    try:
        if remote and remote.asks_proxy and _through_a_proxy(host):
            left_to_proxy(host, allowance)
            return Line(Mark.OK, topic, f"{one.kind}: built; {host} is reached through a proxy, which was not tried")
        connection = await aside(lambda: connect(host, port, CONNECT_SECONDS, allowance))
    except DeliveryError as error:
        return Line(Mark.FAIL, topic, f"{one.kind}: {error.message}", error.hint, Exit.CONFIG)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno in errno.errorcode else "no answer"
        return Line(Mark.FAIL, topic, f"{one.kind}: {host}:{port} cannot be reached: {reason}", "check the network")
    with closing(connection):
        return Line(Mark.OK, topic, f"{one.kind}: built; {host}:{port} can be reached; no message was sent")


async def buttons(one: Sink) -> Line | None:
    """Whether what is pressed in Slack will be heard; None for a sink without buttons. No connection is opened."""
    config = one.config
    if not isinstance(config, slack.Config) or not config.interactive:
        return None
    topic = f"sink {one.name}"
    try:
        await aside(lambda: slacksocket.ticket(config))
    except AuditorError as error:
        return Line(Mark.FAIL, topic, f"buttons: {error.message}", error.hint, Exit.CONFIG)
    return Line(Mark.OK, topic, "buttons: the app token works")


def _through_a_proxy(host: str) -> bool:
    local = host in {"localhost", "::1"} or host.startswith("127.")
    return not local and proxy_for(host) is not None


async def send_test(one: Sink, alert: Alert) -> Line:
    """Send `alert`, which says that it is a test."""
    topic = f"sink {one.name}"
    try:
        receipt = await one.send(alert, Context())
    except AuditorError as error:
        return Line(Mark.FAIL, topic, f"{one.kind}: the test message was not taken: {error.message}", error.hint)
    if receipt.refused:
        hint = "mend the address, or take it out of the sink"
        return Line(Mark.FAIL, topic, f"{one.kind}: the test message was refused for {receipt.refusals}", hint)
    return Line(Mark.OK, topic, f"{one.kind}: the test message was taken")


def key_place(name: str, settings: OrganizationConfig, written: object, environment: Mapping[str, str]) -> Line:
    """Where the admin key of the organization `name` is kept; `written` is its mapping in the file."""
    own = f"{ENV_PREFIX}ORGANIZATIONS__{name}__ADMIN_KEY".casefold()
    variable = next((each for each in environment if each.casefold() == own), None)
    has_value = settings.admin_key is not None and bool(settings.admin_key.get_secret_value().strip())
    hint = "put it into a file that only the auditor can read, and name that in admin_key_file"
    if has_value and variable is None and isinstance(written, Mapping) and written.get("admin_key"):
        return Line(Mark.WARN, "key", "it is written in the configuration file", hint)
    if has_value or settings.admin_key_file is None:
        where = variable or (f"{ENV_PREFIX}ORGANIZATIONS" if has_value else "OPENAI_ADMIN_KEY")
        text = f"it comes from the environment ({where}), which child processes and crash reports see"
        return Line(Mark.WARN, "key", text, hint)
    return _key_file(settings.admin_key_file)


def _key_file(file: Path) -> Line:
    # Secrets mounted by Docker, Kubernetes and systemd are 0444 in a directory that nobody else sees.
    if not file.is_relative_to("/run") and mode.readable_by_others(file):
        return Line(Mark.WARN, "key", f"it is in {file}, which everybody on this machine can read", f"chmod 600 {file}")
    return Line(Mark.OK, "key", f"it is in {file}")
