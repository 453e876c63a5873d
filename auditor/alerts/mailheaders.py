"""What the headers of a letter are made of, so that they arrive as what they are."""

from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.policy import SMTP, Policy
from typing import Any

LINE_MAX = 76
"""Of encoded words: https://www.rfc-editor.org/rfc/rfc2047#section-2"""


class _Written(BaseHeader):
    """An id: no line breaks it and nothing encodes it, as else it is none to many mail programs, and makes no thread.

    It is shorter than a line may be at most (998), because the domain of an address is.
    """

    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Nothing is read in it."""
        kwds.update(decoded=value, parse_tree=None)

    def fold(self, *, policy: Policy) -> str:
        """The whole line."""
        return f"{self.name}: {self}{policy.linesep}"


class _Shown(_Written):
    """Text that is shown as it stands: the usual header reads RFC 2047 in it, and so lets a text make headers."""

    def fold(self, *, policy: Policy) -> str:
        """Encoded as a whole, also where it looks as if it was already."""
        words = Header(self, "utf-8", LINE_MAX, self.name)
        return f"{self.name}: {words.encode(linesep=policy.linesep)}{policy.linesep}"


_REGISTRY = HeaderRegistry()
_REGISTRY.map_to_type("subject", _Shown)
_REGISTRY.map_to_type("message-id", _Written)
_REGISTRY.map_to_type("references", _Written)

LETTER = SMTP.clone(header_factory=_REGISTRY)
"""How a letter is written."""


def bears(address: str) -> bool:
    """Whether an address stands in `From` and `To` as it is, with nothing in it that anybody decodes."""
    try:
        read = Address(addr_spec=address)
    except (MessageError, ValueError, IndexError):
        # The parser has one of them for each way to be none, and they have no other root.
        return False
    return f"{read.username}@{read.domain}" == address and "=?" not in address
