"""Whether a text holds any of many words, in a time that hardly grows with their number. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

import re2

FEW = 12
"""Up to so many words, looking for one after the other is faster."""
_MOST = 20_000
"""Characters of all words together, far below what would fill the memory of the automaton."""
_MEMORY = 64 << 20  # bytes


def finder(words: Sequence[str]) -> Callable[[str], bool]:
    """A function that says whether a text holds any of `words`, as they are written."""
    if sum(map(len, words)) > _MOST:
        return lambda text: any(word in text for word in words)
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    found: Any = re2.Set.SearchSet(options)
    for word in words:
        found.Add(re2.escape(word))
    found.Compile()
    return lambda text: bool(found.Match(text))
