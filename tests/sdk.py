"""The vendor's own package by introspection: every method of its admin client that only reads."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from openai._resource import SyncAPIResource


def reads(resource: SyncAPIResource, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every method of the package that sends GET, by its dotted name."""
    for name in sorted(dir(type(resource))):
        if name.startswith(("_", "with_")):
            continue
        member = getattr(resource, name)
        if isinstance(member, SyncAPIResource):
            yield from reads(member, f"{prefix}{name}.")
        elif inspect.ismethod(member) and _sends_get(inspect.getsource(member)):
            yield prefix + name, member


def _sends_get(source: str) -> bool:
    return "self._get(" in source or ("self._get_api_list(" in source and 'method="post"' not in source)
