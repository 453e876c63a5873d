"""IP addresses of both families as one row of numbers, so that a network is a part of it. Pure."""

import ipaddress
import socket
from functools import lru_cache
from itertools import takewhile

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


def beginning_of(least: int, most: int) -> str:
    """What the text of every address between two numbers begins with; empty where that is unknown, as for IPv6."""
    if most >= _SIX:
        return ""
    ends = (ipaddress.IPv4Address(each).exploded.split(".") for each in (least, most))
    same = list(takewhile(lambda pair: pair[0] == pair[1], zip(*ends, strict=True)))
    return "".join(f"{octet}." for octet, _ in same[:3])
