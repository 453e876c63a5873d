"""What all sinks share that speak over a network: where they may go, how long they wait, whom they trust."""

import ssl
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import httpx
from pydantic import (
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from auditor.alerts.destination import Allowance
from auditor.alerts.sink import SinkConfig, require_one, secret
from auditor.errors import ConfigError

_UNSENT = frozenset("\0\r\n")


def _networks(value: object, read: ValidatorFunctionWrapHandler) -> object:
    """One fault for whatever is neither a yes nor networks, one of which may stand alone."""
    for each in (value, [value]) if isinstance(value, str) else (value,):
        with suppress(ValidationError):
            return read(each)
    raise ValueError("must be true, or networks like [10.0.0.0/8] (10.0.0.1/8 is none)")


class RemoteConfig(SinkConfig):
    """Settings of a sink that opens connections."""

    asks_proxy: ClassVar[bool] = True
    """Whether it speaks HTTPS, for which the environment may name a proxy."""
    timeout: int = Field(default=10, ge=1, le=30)
    """Seconds for the whole exchange: name, connection, message and answer."""
    allow_private: Annotated[bool | tuple[IPvAnyNetwork, ...], WrapValidator(_networks)] = False
    """`true` for private and loopback addresses, or the networks that may be reached, as `[10.0.0.0/8]`."""
    ca_file: Path | None = None
    """Certificates to trust instead of the usual ones, PEM."""

    @property
    def allowance(self) -> Allowance:
        """Where this sink may connect to."""
        if isinstance(self.allow_private, bool):
            return Allowance(private=self.allow_private)
        return Allowance(networks=self.allow_private)

    def trust(self) -> ssl.SSLContext:
        """For connections of this sink: certificate and name are always checked. Raises ConfigError."""
        try:
            return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else _usual()
        except OSError as error:
            reason = "no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
            place = f"ca_file {self.ca_file}" if self.ca_file else "the certificates that SSL_CERT_FILE names"
            raise ConfigError(f"cannot use {place}: {reason}", hint="check the path and its mode") from None

    def ready(self) -> None:
        """Raise ConfigError when something that the settings name cannot be used."""
        if self.ca_file:
            self.trust()


@cache
def _usual() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class UrlConfig(RemoteConfig):
    """Settings of a sink whose address is itself the credential."""

    url: SecretStr | None = None
    url_file: Path | None = None

    @model_validator(mode="after")
    def _one_url(self) -> "UrlConfig":
        require_one(self, "url", "url_file")
        if self.url:
            checked_url(self.url.get_secret_value(), self, "url")
        return self

    def endpoint(self) -> str:
        """The address, read now. Raises ConfigError."""
        text = secret(self.url, self.url_file)
        try:
            return checked_url(text, self)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def address(self) -> tuple[str, int] | None:
        """Host and port of the url."""
        return host_and_port(self.endpoint())

    def ready(self) -> None:
        """Raise ConfigError when the url cannot be used."""
        super().ready()
        self.endpoint()


def checked_url(url: str, config: RemoteConfig, name: str = "the url") -> str:
    """`url`, which errors call `name` and never repeat.

    Raises ValueError when it is no address, or would carry the message openly over the internet.
    """
    if not is_plain(url):
        raise ValueError(f"{name} is empty or holds characters that no address has")
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(f"{name} is no address") from None
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError(f"{name} must hold no user name, password or `#`")
    if parts.scheme == "https" and named:
        return url
    if parts.scheme == "http" and named and config.allow_private:
        return url
    raise ValueError(
        f"{name} must be an https:// address; plain http is accepted with `allow_private`, for private addresses"
    )


def is_plain(text: str) -> bool:
    """Whether it can stand in a request line or header; the error of a client that finds out later would show it."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


def credential(name: str, value: SecretStr | None, file: Path | None) -> str:
    """The secret called `name`, read now. Raises ConfigError when no header or request line could hold it."""
    text = secret(value, file)
    if not is_plain(text):
        raise ConfigError(f"the {name} is empty or holds characters that none has", hint="paste it anew")
    return text


def password(value: SecretStr | None, file: Path | None) -> str:
    """The password, read now, which goes out in base64 and so may hold blanks and any letters.

    Raises ConfigError when it cannot be sent: NUL parts the name from it in SMTP, and a line break is an accident.
    """
    text = secret(value, file)
    try:
        text.encode()
    except UnicodeEncodeError:  # from an environment that is no UTF-8
        text = ""
    if not text or not _UNSENT.isdisjoint(text):
        raise ConfigError("the password is empty, no UTF-8 or holds a line break or NUL", hint="paste it anew")
    return text


def host_and_port(url: str) -> tuple[str, int]:
    """Of a checked url."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
