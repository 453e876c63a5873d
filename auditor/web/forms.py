"""What people send with a form: read within bounds, and taken apart strictly."""

from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl

import anyio
from starlette.requests import ClientDisconnect, Request

TYPE = "application/x-www-form-urlencoded"
MAX_BODY = 65_536
"""Bytes: the longest reason there may be, each letter of it as long as it gets."""
SECONDS = 10.0
"""For a body to arrive."""


class BadForm(Exception):
    """A form that no page here sends; the sentence is ours and may be shown."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


async def read(request: Request, fields: Collection[str]) -> Mapping[str, str]:
    """The form, with `fields` and no others, each once; lines end in a line feed. What was not sent is empty.

    Raises BadForm.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != TYPE:
        raise BadForm(415, "This is not sent as a form.")
    try:
        text = (await _body(request)).decode("ascii")
        sent = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=len(fields))
    except ValueError:
        raise BadForm(400, "This form cannot be understood.") from None
    found = {name: value.replace("\r\n", "\n") for name, value in sent}
    if len(found) < len(sent) or found.keys() - set(fields):
        raise BadForm(400, "This form cannot be understood.")
    return dict.fromkeys(fields, "") | found


async def _body(request: Request) -> bytes:
    found = b""
    too_large = BadForm(413, "This form is too large.")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise too_large
    try:
        with anyio.fail_after(SECONDS):
            async for chunk in request.stream():
                found += chunk
                if len(found) > MAX_BODY:
                    raise too_large
    except (TimeoutError, ClientDisconnect):
        raise BadForm(408, "This form did not arrive.") from None
    return found
