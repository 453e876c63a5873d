"""Texts that come again and again, each held once: less memory, and what is at hand is found faster. Pure."""

LONGEST = 60
"""Characters; a longer text is a description, and comes but once."""


class Texts:
    """Those that were seen of late.

    They are not interned, as the texts of resources are: every event brings some that never come again, and not every
    version of Python forgets what it has interned.
    """

    def __init__(self, most: int = 10_000) -> None:
        """Not more than `most` are held, however many somebody sends."""
        self._most = most
        self._known: dict[str, str] = {}

    def held(self, text: str) -> str:
        """The same text, as the object that came first."""
        if len(text) > LONGEST:
            return text
        if len(self._known) >= self._most:
            self._known.clear()
        return self._known.setdefault(text, text)
