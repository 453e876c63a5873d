"""The page's part of auditor.yaml: where it listens, who signs in, and who may decide there."""

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator

from auditor import passwords
from auditor.configtypes import Names, Section

Found = tuple[tuple[str, ...], str, str]
"""Where, what, and a hint."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _hash(value: SecretStr) -> SecretStr:
    passwords.hash_of(value.get_secret_value())
    return value


class Tls(Section):
    """The certificate of the page, with those between it and the root, and its key: PEM, the key without a password."""

    cert_file: Path
    key_file: Path


class Web(Section):
    """The page. Loopback by default; beyond it whoever comes signs in."""

    listen: str = "127.0.0.1:9847"
    external_url: str = ""
    allowed_hosts: Names = ()
    users: Mapping[Annotated[str, AfterValidator(passwords.name)], Annotated[SecretStr, AfterValidator(_hash)]] = Field(
        default={}, repr=False
    )
    """Hashes of passwords by name."""
    users_file: Path | None = None
    """The same as lines `NAME:HASH`."""
    deciders: Names = ()
    """Names of those who may accept risks."""
    anonymous: bool = False
    """Whether something else guards a page that is reached from beyond loopback."""
    tls: Tls | None = None

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError("must be HOST:PORT, for example 127.0.0.1:9847")
        return value

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def asks(self) -> bool:
        """Whether whoever comes must sign in."""
        return bool(self.users) or self.users_file is not None

    @property
    def clear(self) -> bool:
        """Whether passwords cross a network unencrypted, unless something before the page sees to that."""
        return self.asks and self.tls is None and not is_loopback(self.address[0])


def faults(web: Web) -> Iterator[Found]:
    """What must not be said together."""
    host, _ = web.address
    if not web.asks and not web.anonymous and not is_loopback(host):
        yield (
            ("web", "listen"),
            f"whoever reaches {host} would read the page without signing in",
            "set `web.users` (`auditor web password` makes a hash) or `web.users_file`; or say `web.anonymous: true`"
            " when a proxy or a network policy guards it",
        )
    if web.asks and web.anonymous:
        yield ("web", "anonymous"), "with `users` everybody signs in, and nobody is anonymous", "keep one of the two"
    if web.deciders and not web.asks:
        yield ("web", "deciders"), "nobody signs in, so nobody can decide", "set `web.users` or `web.users_file`"
