"""What an answer other than 200 becomes."""

import pytest

from auditor.adminapi.refusal import MAX_PAUSE, error_of, retry_after


def body(message: str, code: str | None = None) -> bytes:
    import json

    return json.dumps({"error": {"message": message, "type": "x", "param": None, "code": code}}).encode()


def test_a_missing_scope_is_named() -> None:
    message = "You have insufficient permissions. Missing scopes: api.audit_logs.read. Check that you have the role."
    error = error_of(403, body(message), {})
    assert error.status == 403
    assert not error.retryable
    assert "lacks api.audit_logs.read:" in error.hint


def test_an_allowlist_that_shuts_the_auditor_out_is_said() -> None:
    assert "allowlist" in error_of(401, body("no", "ip_not_authorized"), {}).hint


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_may_pass_is_retryable(status: int) -> None:
    assert error_of(status, b"", {}).retryable


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 301])
def test_what_is_final_is_not_retried(status: int) -> None:
    assert not error_of(status, b"", {}).retryable


def test_a_pause_longer_than_a_pass_is_not_slept_through() -> None:
    error = error_of(429, b"", {"retry-after": str(MAX_PAUSE + 1)})
    assert not error.retryable
    assert error.retry_after == MAX_PAUSE + 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("-4", 0.0), ("", None), ("soon", None), ("nan", None), ("inf", None)],
)
def test_retry_after_is_seconds_or_nothing(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_retry_after_may_be_a_date_that_has_passed() -> None:
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"null", b'{"error": 3}', b"[" * 100_000])
def test_a_body_of_another_shape_is_still_an_error_and_no_crash(content: bytes) -> None:
    assert "HTTP 502" in error_of(502, content, {}).message


def test_a_plain_string_error_is_told() -> None:
    assert "teapot" in error_of(418, b'{"error": "teapot"}', {}).message


def test_a_long_message_is_cut_and_a_key_in_it_masked() -> None:
    error = error_of(401, body("Incorrect key sk-admin-abcdefghijklmnop " + "x" * 1000), {})
    assert len(error.message) < 330
    assert "abcdefghijklmnop" not in error.message
