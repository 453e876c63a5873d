"""What an answer that is not 200 means, in words an operator can act on."""

import email.utils
import math
import re
import time
from collections.abc import Mapping

import msgspec

from auditor.errors import ApiError
from auditor.redaction import redact

MAX_PAUSE = 120.0
"""Seconds; a server that asks for a longer pause gets it by the next pass, not by a sleeping one."""

_SCOPES = re.compile(r"[Mm]issing scopes?:? *(\w+(?:\.\w+)+(?:, *\w+(?:\.\w+)+)*)")


def error_of(status: int, content: bytes, headers: Mapping[str, str]) -> ApiError:
    """The error for an answer. Shape of the body: `{"error": {"message", "type", "param", "code"}}`, or text."""
    message, code = _message(content)
    wait = retry_after(headers)
    return ApiError(
        f"HTTP {status}: {message}",
        hint=_hint(status, message, code),
        # A 429 without Retry-After may wait for a person, and a pause beyond the cap outlasts this pass.
        retryable=status in {408, 409, 429} or status >= 500 if wait is None else wait <= MAX_PAUSE,
        status=status,
        request_id=headers.get("x-request-id"),
        retry_after=wait,
    )


def missing_scopes(message: str) -> tuple[str, ...]:
    """Permissions that a refusal names, empty when it names none: only the text of the message holds them."""
    found = _SCOPES.search(message)
    return tuple(scope.strip() for scope in found[1].split(",")) if found else ()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, None when it does not say or says nonsense."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _message(content: bytes) -> tuple[str, str]:
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return _short(error.get("message") or "no message"), str(error.get("code") or "")
    if isinstance(error, str):
        return _short(error), ""
    return "no error message", ""


def _short(message: object) -> str:
    text = redact(" ".join(str(message).split()))
    return text if len(text) <= 300 else text[:299] + "…"


def _hint(status: int, message: str, code: str) -> str:
    scopes = missing_scopes(message)
    if scopes:
        return f"the admin key lacks {', '.join(scopes)}: give it that permission, read only, or make a new key"
    if code == "ip_not_authorized":
        return "an IP allowlist is active and this host is not on it"
    return _HINTS.get(status, "")


_HINTS: Mapping[int, str] = {
    400: "the API no longer takes a parameter this version sends; is there a newer auditor?",
    401: "the admin key is wrong, expired or revoked: make a new one, read only, in the organization's settings",
    403: "the admin key may not read this: give it the permission, read only",
    404: "it does not exist, or the organization does not have this feature",
    429: "the organization's limit is reached: lower requests_per_minute, or wait",
}
