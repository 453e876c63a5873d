"""IP addresses of both families as one row of numbers, so that a network is a part of it. Pure."""

import ipaddress
import socket
from functools import lru_cache

NOWHERE = -1
"""The number of what is no address: no network holds it."""
_SIX = 1 << 32
"""Where those of IPv6 begin, after all of IPv4."""


@lru_cache(maxsize=4096)
def number_of(text: str) -> int:
    """The number of an address, NOWHERE for what `ipaddress` takes for none."""
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET, text))
    except (OSError, ValueError):
        return _slowly(text)


def _slowly(text: str) -> int:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return NOWHERE
    return int(address) + (_SIX if address.version == 6 else 0)


def span_of(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> tuple[int, int]:
    """The numbers of its first and its last address."""
    offset = _SIX if network.version == 6 else 0
    return int(network.network_address) + offset, int(network.broadcast_address) + offset
