"""The proxy of the environment, as `HTTPS_PROXY` and `NO_PROXY` name it, for sinks that speak HTTPS."""

import urllib.request
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from auditor.errors import DeliveryError


@dataclass(frozen=True, slots=True)
class Proxy:
    """Speaks HTTP, and takes CONNECT."""

    address: str
    """Without the login."""
    login: tuple[bytes, bytes] | None = None
    """Name and password, in the bytes that the environment gives."""

    @property
    def url(self) -> str:
        """Address and login in one, for a library that takes them so."""
        scheme, _, place = self.address.partition("://")
        return (
            f"{scheme}://{':'.join(quote(part, safe='') for part in self.login)}@{place}"
            if self.login
            else self.address
        )


def proxy_for(host: str) -> Proxy | None:
    """The one through which `host` is reached by HTTPS; None when it is reached directly.

    Raises DeliveryError, retryable because the environment can be set right, when it is of no use. A part of it may be
    a password, so no error shows it.
    """
    address = urllib.request.getproxies().get("https", "")
    if not address or urllib.request.proxy_bypass(host):
        return None
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        if parts.scheme.startswith("socks"):
            raise _unusable("speaks SOCKS, which is not supported")
        if not sound or not bare.geturl().isascii():
            raise _unusable("is no address")
        return Proxy(bare.geturl(), _login(parts))
    except ValueError:
        raise _unusable("is no address") from None


def _login(parts: SplitResult) -> tuple[bytes, bytes] | None:
    return (unquote_to_bytes(parts.username), unquote_to_bytes(parts.password or "")) if parts.username else None


def _unusable(why: str) -> DeliveryError:
    hint = "set HTTPS_PROXY to an address like http://proxy.example.com:3128, or name the host in NO_PROXY"
    return DeliveryError(f"the proxy of the environment {why}", hint=hint, retryable=True)
