"""The one stage that takes secrets out of text; every log line and every error passes through it."""

import base64
import re
from urllib.parse import quote

MASK = "[secret]"

_secrets: set[str] = set()

_SHAPES = re.compile(
    r"sk-[A-Za-z0-9_-]{8,}"  # OpenAI keys of every kind
    r"|xox[a-z]-[A-Za-z0-9-]{6,}|xapp-[A-Za-z0-9-]{6,}"  # Slack tokens
    r"|(?<=/services/)[A-Za-z0-9/_-]{6,}"  # the part of an incoming webhook's URL that is the credential
    r"|(?i:(?<=bearer )[A-Za-z0-9._~+/-]{6,}=*)"
)
_USERINFO = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)")


def register(secret: str) -> None:
    """Mask `secret`, and its URL and base64 forms, from now on. Texts under 6 characters would mask half of a log."""
    if len(secret) >= 6:
        data = secret.encode("utf-8", "surrogatepass")  # an environment that is no UTF-8 gives what cannot be encoded
        _secrets.update({secret, quote(data, safe=""), base64.b64encode(data).decode().rstrip("=")})


def redact(text: str) -> str:
    """`text` with registered secrets, and whatever has the shape of one, masked."""
    for secret in sorted(_secrets, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, MASK)
    return _USERINFO.sub(rf"\1:{MASK}", _SHAPES.sub(MASK, text))
