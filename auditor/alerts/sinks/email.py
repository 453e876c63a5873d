"""Email by SMTP. Formats: https://www.rfc-editor.org/rfc/rfc5321 and https://www.rfc-editor.org/rfc/rfc5322

Delivered means that the server took the letter after its final dot for every address that it did not refuse for good,
and for at least one. An address that it puts off (4xx) is tried again without the others. Given up at once is only a
letter that is refused for what it is: all else, as a login or a relay that is missing, is set right by somebody.
"""

import re
import smtplib
import socket
from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from auditor import clock
from auditor.alerts.answers import unreachable
from auditor.alerts.aside import aside
from auditor.alerts.destination import connected
from auditor.alerts.letter import letter
from auditor.alerts.mailaddress import is_address
from auditor.alerts.mailheaders import bears
from auditor.alerts.message import Alert
from auditor.alerts.post import ANSWER_MAX
from auditor.alerts.recipients import Answers, Recipients, refinement
from auditor.alerts.remote import RemoteConfig, password
from auditor.alerts.sink import Context, Example, Receipt, require_one
from auditor.configtypes import one_or_many
from auditor.errors import DeliveryError

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_CLOSES = 421
_OF_THE_LETTER = re.compile(r"5\.(3\.4|6\.\d+)")
"""Too large, or of a form that is not taken: https://www.rfc-editor.org/rfc/rfc3463"""


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError("is no address of the form name@example.com")
    if not bears(text):
        raise ValueError("is no address that a letter can bear, as name@example.com is: encoded words begin with `=?`")
    return text


MailAddress = Annotated[str, AfterValidator(_address)]


class Config(RemoteConfig):
    """`host`, `sender` and `to`; `username` with `password` or `password_file` if the server asks."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=0, ge=0, le=65535)
    """587, 465 with `security: tls`, 25 with `none`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` for a relay in a private network that `allow_private` opens."""
    username: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    sender: MailAddress
    to: Annotated[tuple[MailAddress, ...], BeforeValidator(one_or_many)]
    asks_proxy: ClassVar[bool] = False
    hello: str = Field(default="", pattern=r"^[A-Za-z0-9.-]*$")
    """The name that this machine gives itself; its host name when empty."""

    @field_validator("to")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not 1 <= len(value) <= 100:
            raise ValueError("name 1 to 100 addresses")
        # A server answers for each address by itself, and who stands there twice would have two answers.
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _whole(self) -> "Config":
        if self.username:
            require_one(self, "password", "password_file")
        elif self.password or self.password_file:
            raise ValueError("a password needs a username")
        if self.username and self.security == "none":
            raise ValueError("a password is sent only with security: starttls or tls")
        return self

    def address(self) -> tuple[str, int] | None:
        """Host and port of the server."""
        return self.host, self.port or _PORTS[self.security]

    def ready(self) -> None:
        """Raise ConfigError when the password cannot be used."""
        super().ready()
        if self.username:
            password(self.password, self.password_file)


EXAMPLES = {
    "email": Example(
        {
            "host": "{host}",
            "port": "{port}",
            "security": "none",
            "sender": "auditor@example.com",
            "to": "security@example.com",
            "timeout": "1",
            "allow_private": "true",
        }
    )
}


def render(config: Config, alert: Alert) -> str:
    """Headers, text and HTML, decoded."""
    made = letter(alert, config.sender, config.to)
    heads = [f"{name}: {value}" for name, value in made.items() if not name.startswith(("Content", "MIME"))]
    parts = [part.get_content().replace("\r\n", "\n") for part in made.iter_parts()]
    return "\n".join(heads) + "\n\n" + "\n".join(parts)


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Hand the letter to the server, for those who do not have it yet.

    Raises DeliveryError: final when the letter is refused for its size or content, retryable when all is refused for
    any other reason, and while an address is put off.
    """
    made, who = letter(alert, config.sender, config.to), Recipients.read(context.kept)
    left = who.left(config.to)
    try:
        refused = await aside(lambda: _deliver(config, made, left)) if left else {}
        who = who.after(left, refused)
    except smtplib.SMTPRecipientsRefused as error:
        if not who.taken:
            raise _nobody(error.recipients) from None
        who = who.after((), error.recipients)
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        if not who.taken:
            raise _refused("refused the letter", error.smtp_code, final=_is_about_the_letter(error)) from None
        who = who.after((), dict.fromkeys(left, _answer_of(error)), passes=not _is_about_the_letter(error))
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _turned_away(error) from None
    return who.receipt(config.to, str(made["Message-ID"]), int(clock.epoch(clock.now())))


def _answer_of(error: smtplib.SMTPResponseException) -> tuple[int, bytes]:
    said = error.smtp_error
    return error.smtp_code, said if isinstance(said, bytes) else said.encode()


def _deliver(config: Config, made: EmailMessage, to: Sequence[str]) -> Answers:
    """Returns what was answered for the addresses for which the letter was not taken."""
    host, port = config.address() or ("", 0)
    allowance = replace(config.allowance, public=config.security != "none", encrypt="`security: starttls` or `tls`")
    with connected(host, port, config.timeout, allowance) as connection, _open(config, connection) as smtp:
        _enter(config, smtp)
        return smtp.send_message(made, config.sender, to)


def _open(config: Config, connection: socket.socket) -> "_Smtp":
    wrapped = connection
    if config.security == "tls":
        wrapped = config.trust().wrap_socket(connection, server_hostname=config.host)
    return _Smtp(config, wrapped)


def _enter(config: Config, smtp: smtplib.SMTP) -> None:
    smtp.ehlo_or_helo_if_needed()
    if config.security == "starttls":
        smtp.starttls(context=config.trust())
    if config.username:
        smtp.login(_Utf8(config.username), _Utf8(password(config.password, config.password_file)))


def _is_about_the_letter(error: smtplib.SMTPResponseException) -> bool:
    code, refined = error.smtp_code, refinement(_answer_of(error)[1])
    if not refined:
        # Too large where the letter is sent; but with a refinement it may be a mailbox that is full.
        return code == 552 and isinstance(error, smtplib.SMTPDataError)
    return 500 <= code < 600 and bool(_OF_THE_LETTER.fullmatch(refined))


def _nobody(answers: Answers) -> DeliveryError:
    """None of the addresses was taken: all were refused, or the server closed before it was asked for the last."""
    code = min((code for code, _ in answers.values()), default=450)
    return _refused("closed the connection" if code == _CLOSES else "refused all addresses", code)


def _refused(what: str, code: int, *, final: bool = False) -> DeliveryError:
    hint = "check username, sender, recipients and relay rules" if 500 <= code < 600 and not final else ""
    return DeliveryError(f"the mail server {what} ({code})", hint=hint, retryable=not final)


def _turned_away(error: Exception) -> DeliveryError:
    """The server will not talk to us, or nobody is there: nothing is said about the letter, so it waits."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        words, hint = f"the mail server refused the password ({error.smtp_code})", "check username and password"
    elif isinstance(error, smtplib.SMTPNotSupportedError):
        words, hint = "the mail server offers no STARTTLS, or no way to log in", "check port and security"
    elif isinstance(error, smtplib.SMTPResponseException):
        words, hint = f"the mail server turned us away ({error.smtp_code})", "check host, port and security"
    else:
        return unreachable("the mail server", error)
    return DeliveryError(words, hint=hint, retryable=True)


class _Utf8(str):
    """What smtplib, which asks names and passwords for their ASCII, gets UTF-8 of: https://www.rfc-editor.org/rfc/rfc4616"""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "strict") -> bytes:
        return super().encode("utf-8", errors)


class _Smtp(smtplib.SMTP):
    """Speaks over a connection that is there already, and reads no endless answers."""

    def __init__(self, config: Config, connection: socket.socket) -> None:
        self._connection = connection
        name = config.hello or socket.gethostname()
        super().__init__(config.host, local_hostname=name, timeout=config.timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._connection

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()

    def auth(self, mechanism: str, authobject: Any, *, initial_response_ok: bool = True) -> tuple[int, bytes]:
        def told(*challenge: Any) -> Any:
            answer = authobject(*challenge)
            return None if answer is None else _Utf8(answer)

        return super().auth(mechanism, told, initial_response_ok=initial_response_ok)

    def __exit__(self, *args: object) -> None:
        # After its final dot a letter is delivered; what the server makes of QUIT changes nothing.
        self.close()


class _Bounded:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = ANSWER_MAX

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("the answers are too long")
        return line

    def close(self) -> None:
        self._file.close()
