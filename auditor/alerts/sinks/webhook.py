"""Any receiver of webhooks, signed. Format: https://github.com/standard-webhooks/standard-webhooks (its spec)

The receiver checks the signature with the secret, and knows a repeat by `webhook-id`.
"""

import base64
import binascii
import hashlib
import hmac
from pathlib import Path

from pydantic import SecretStr, model_validator

from auditor import clock, redaction
from auditor.alerts.document import document, fitted, moment, readable
from auditor.alerts.message import Alert, key
from auditor.alerts.post import post
from auditor.alerts.remote import UrlConfig
from auditor.alerts.sink import Context, Example, Receipt, require_one, secret
from auditor.errors import ConfigError

BODY_MAX = 256 * 1024
_PREFIX = "whsec_"


class Config(UrlConfig):
    """`url` or `url_file`, and `secret` or `secret_file`: `whsec_` and 24 to 64 bytes in base64.

    Several secrets, apart by blanks or line breaks, sign together: that is how one is replaced without a gap.
    """

    secret: SecretStr | None = None
    secret_file: Path | None = None

    @model_validator(mode="after")
    def _one_secret(self) -> "Config":
        require_one(self, "secret", "secret_file")
        return self

    def secrets(self) -> list[bytes]:
        """The keys to sign with. Raises ConfigError."""
        texts = secret(self.secret, self.secret_file).split()
        for text in texts:
            redaction.register(text)
        keys = [_key(text) for text in texts]
        if not keys:
            raise _no_secret()
        return keys

    def ready(self) -> None:
        """Raise ConfigError when url or secrets cannot be used."""
        super().ready()
        self.secrets()


TAKES_EVENTS = True

EXAMPLES = {
    "webhook": Example(
        {
            "url": "{address}/hooks/{secret}",
            "secret": "whsec_{secret}{secret}",
            "timeout": "1",
            "allow_private": "true",
        },
        200,
        any_body=True,
    )
}


def render(config: Config, alert: Alert) -> str:
    """The body."""
    return readable(_body(alert))


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Post the alert; any 2xx confirms. Raises DeliveryError."""
    body, message, at = _body(alert), f"msg_{key(alert)}", str(clock.epoch(clock.now()))
    signed = f"{message}.{at}.".encode() + body
    headers = {
        "webhook-id": message,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(_signature(each, signed) for each in config.secrets()),
    }
    answer = await post("the webhook", config.endpoint(), body, headers, config)
    if not 200 <= answer.status < 300:
        # Receivers answer 400 to a signature, too: one whose secret was replaced takes nothing until it is here, too.
        raise answer.refusal("the webhook", final=answer.status in (413, 422))
    return Receipt({"webhook_id": message, "status": str(answer.status)})


def _body(alert: Alert) -> bytes:
    name = alert.kind.value if not alert.finding else f"finding.{alert.kind.value}"
    return fitted(lambda lines: {"type": name, "timestamp": moment(alert.at), "data": document(alert, lines)}, BODY_MAX)


def _key(text: str) -> bytes:
    try:
        found = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise _no_secret() from None
    if not text.startswith(_PREFIX) or not 24 <= len(found) <= 64:
        raise _no_secret()
    return found


def _no_secret() -> ConfigError:
    hint = "make one: echo whsec_$(openssl rand -base64 32)"
    return ConfigError("the secret is not `whsec_` and 24 to 64 bytes in base64", hint=hint)


def _signature(secret: bytes, signed: bytes) -> str:
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}"
