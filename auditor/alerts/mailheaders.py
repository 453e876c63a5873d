"""What the headers of a letter are made of, so that they arrive as what they are."""

from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry
from email.policy import SMTP, Policy
from typing import Any

LINE_MAX = 76
"""Of encoded words: https://www.rfc-editor.org/rfc/rfc2047#section-2"""


class _Shown(BaseHeader):
    """Text that is shown as it stands: the usual header reads RFC 2047 in it, and so lets a text make headers."""

    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Nothing is read in it."""
        kwds.update(decoded=value, parse_tree=None)

    def fold(self, *, policy: Policy) -> str:
        """Encoded as a whole, also where it looks as if it was already."""
        words = Header(self, "utf-8", LINE_MAX, self.name)
        return f"{self.name}: {words.encode(linesep=policy.linesep)}{policy.linesep}"


_REGISTRY = HeaderRegistry()
_REGISTRY.map_to_type("subject", _Shown)

LETTER = SMTP.clone(header_factory=_REGISTRY)
"""How a letter is written."""
