"""Refusals as the Admin API words them."""

from collections.abc import Mapping


class Refusal(Exception):
    """An answer that is not 200. Body: `{"error": {"message", "type", "param", "code"}}`."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    @property
    def body(self) -> Mapping[str, Mapping[str, str | None]]:
        """What is sent."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def not_found(what: str, id_: str) -> Refusal:
    """The object does not exist."""
    return Refusal(404, f"No {what} found with id '{id_}'.", param="id", code="not_found")


def not_configured(what: str) -> Refusal:
    """The object exists and this setting of it was never set."""
    return Refusal(404, f"No {what} is configured.", code="not_configured")


def missing_scopes(scope: str) -> Refusal:
    """The key is good and may not read this."""
    return Refusal(
        403,
        f"You have insufficient permissions for this operation. Missing scopes: {scope}. Check that you have the "
        "correct role in your organization (Reader, Writer, Owner), and if you're using a restricted API key, that "
        "it has the necessary scopes.",
    )


def bad_key(shown: str) -> Refusal:
    """A bearer that is no admin key of this organization; `shown` is masked."""
    return Refusal(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")


def no_key() -> Refusal:
    """No bearer at all."""
    return Refusal(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
        "auth (i.e. Authorization: Bearer YOUR_KEY).",
    )


def bad_value(param: str, message: str, code: str = "invalid_value") -> Refusal:
    """A parameter that cannot be used."""
    return Refusal(400, f"Invalid '{param}': {message}", param=param, code=code)
