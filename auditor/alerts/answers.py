"""What an HTTP answer, or none, means for a delivery: the same for every sink that speaks HTTP."""

import socket
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore

from auditor import clock
from auditor.alerts.lane import GIVE_UP_AFTER
from auditor.errors import DeliveryError

RETRY_AFTER_MAX = GIVE_UP_AFTER  # seconds; after a longer wish there would be nothing left to send


_ABOUT_THE_MESSAGE = frozenset({400, 413, 422})
_HINTS = {
    401: "check its credential",
    403: "check its credential, and what that may do",
    404: "check its address: nothing is there, or not any more",
    405: "check its address: something else is there",
    407: "the proxy of the environment wants another login",
    410: "check its address: what was there is gone",
}


def refused(
    peer: str, status: int, headers: Mapping[str, str], word: str = "", *, final: bool | None = None, hint: str = ""
) -> DeliveryError:
    """The error of an answer that confirms nothing: `final` when it is about the message itself.

    Where the caller does not know, that is 400, 413 and 422. All else passes or is set right by somebody: a token that
    was replaced, an address that moved, a page of a proxy. What was found meanwhile is told then.
    """
    final = status in _ABOUT_THE_MESSAGE if final is None else final
    if not hint and 300 <= status < 400:
        hint = "something between here and there answers instead: check the address"
    return DeliveryError(
        f"{peer} answered {status}" + (f": {word}" if word else ""),
        hint=hint or _HINTS.get(status, ""),
        retryable=not final,
        retry_after=None if final else retry_after(headers, clock.now()),
    )


def unreachable(peer: str, error: Exception) -> DeliveryError:
    """The error of no answer. Its outcome is unknown: the message may have arrived."""
    # A URLError's reason may be a text with the address in it; its type says enough.
    reason = getattr(error, "reason", error)
    kind = reason if isinstance(reason, Exception) else error
    causes = list(_causes(kind))
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        words, hint = "its certificate is not trusted", "set ca_file for a private authority, or check the host"
    elif any(isinstance(each, socket.gaierror) for each in causes):
        words, hint = "its name is not known", "check the host, and the name server of this machine"
    elif any(isinstance(each, httpcore.ProxyError) for each in causes):
        words, hint = (
            "the proxy of the environment refused it",
            "check its login in HTTPS_PROXY, and whom it lets by",
        )
    elif isinstance(kind, TimeoutError):
        words, hint = "no answer in time", ""
    else:
        words, hint = f"no answer ({type(kind).__name__})", ""
    return DeliveryError(f"{peer}: {words}", hint=hint, retryable=True)


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of the Retry-After header, given as seconds or as a date; None when absent or not readable."""
    text = next((value for key, value in headers.items() if key.lower() == "retry-after"), "").strip()
    if text.replace(".", "", 1).isdecimal():
        return min(float(text), RETRY_AFTER_MAX)
    try:
        at = parsedate_to_datetime(text)
        wish = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        # The parser lets some texts through that are no date of any calendar.
        return None
    return min(max(wish, 0), RETRY_AFTER_MAX)
