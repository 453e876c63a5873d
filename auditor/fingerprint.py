"""A few hex digits that stand for a text of any length, in ids and keys that others store."""

import hashlib


def fingerprint(text: str, digits: int = 16) -> str:
    """The first `digits` of SHA-256 over the text; the same for ever, because stores hold it."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:digits]
