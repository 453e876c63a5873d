"""Mail addresses that people have: https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2 without quotes and IP literals.

Nothing that a dot-atom holds opens a mention or a link in Slack, ends a header, or is a second address in one.
"""

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@[^@]{{1,253}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


def is_address(text: str) -> bool:
    """Whether it is one, as `sean.o'brien@example.com`."""
    return _ADDRESS.fullmatch(text) is not None
