"""Which addresses a sink may speak to. What is checked is the address that is connected to, never only the name.

So a name that leads elsewhere between the check and the connection gains nothing. Special addresses:
https://www.iana.org/assignments/iana-ipv4-special-registry and https://www.iana.org/assignments/iana-ipv6-special-registry
"""

import socket
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from auditor.errors import DeliveryError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[[str, int], Sequence[str]]
"""The addresses of a host name, as text, in the order of preference."""

_METADATA = (
    *map(ip_network, ("169.254.0.0/16", "fe80::/10")),
    *map(ip_network, ("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::/32")),
)
"""Where clouds hand credentials to whoever asks from inside: open only when listed, never with the private ones."""

_PRIVATE = tuple(
    map(
        ip_network,
        ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7"),
    )
)
_LOOPBACK = IPv4Address("127.0.0.1")
_GLOBAL_6 = ip_network("2000::/3")
_NOT_GLOBAL = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)
"""Protocol assignments, relays and documentation, which some versions of Python take for the internet."""
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an operator opened beside the internet."""

    private: bool = False
    """Loopback, private, shared (CGNAT) and unique local addresses; still no link-local and no metadata service."""
    networks: tuple[Network, ...] = ()
    """Whatever lies in these, metadata services included."""
    public: bool = True
    """False for what must not cross the internet: whatever is not encrypted."""
    encrypt: str = "https:// in the address"
    """What to set for encryption, where it is off."""

    def allows(self, address: Address) -> bool:
        """Whether a connection to `address` may be opened. An IPv4 address inside an IPv6 one is what counts."""
        inner = _embedded(address)
        if any(inner in network for network in self.networks):
            return True
        if any(inner in network for network in _METADATA):
            return False
        return (self.private and any(inner in network for network in _PRIVATE)) or (self.public and _is_global(inner))


def _embedded(address: Address) -> Address:
    """The IPv4 address that a mapped or a translated (NAT64) one leads to."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_global(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_6:
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_GLOBAL)


def look_up(host: str, port: int) -> Sequence[str]:
    """What this machine's resolver says. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def allowed(host: str, port: int, allowance: Allowance, lookup: Lookup = look_up) -> list[str]:
    """The addresses of `host` that may be connected to, in order.

    Raises DeliveryError when there are only others, retryable because an operator or the name's owner can change it;
    OSError when the name leads nowhere.
    """
    try:
        found = list(dict.fromkeys(lookup(host, port)))
    except UnicodeError:
        raise OSError("no host name") from None
    good = [address for address in found if "%" not in address and allowance.allows(ip_address(address))]
    if not found:
        raise OSError("the name has no address")
    if not good:
        raise refusal(host, allowance)
    return good


def bare(host: str) -> Address | None:
    """The address that `host` is itself, in any spelling that resolvers take for one; None for a name."""
    text = unicodedata.normalize("NFKC", host).replace("\u3002", ".").lower()
    text = text.removeprefix("[").removesuffix("]").removesuffix(".")
    if text == "localhost" or text.endswith(".localhost"):
        return _LOOPBACK  # https://www.rfc-editor.org/rfc/rfc6761#section-6.3
    with suppress(ValueError):
        return ip_address(text)
    with suppress(OSError):
        return IPv4Address(socket.inet_aton(text))  # 127.1, 0x7f000001, 0177.0.0.1
    return None


def left_to_proxy(host: str, allowance: Allowance) -> None:
    """Raise as `allowed` does when `host` is itself an address that may not be reached.

    A proxy looks names up, and is the one to say what they may lead to; a bare address is ours to judge.
    """
    address = bare(host)
    if address and ("%" in host or not allowance.allows(address)):
        raise refusal(host, allowance)


def refusal(host: str, allowance: Allowance) -> DeliveryError:
    """The error of a host that leads only where the sink must not go."""
    if not allowance.public:
        return DeliveryError(
            f"{host} is in no private network that is allowed, and without TLS all in between could read the message",
            hint=f"set {allowance.encrypt}; or name the network, if it is your own: `allow_private: [10.0.0.0/8]`",
            retryable=True,
        )
    return DeliveryError(
        f"{host} is a private, local or reserved address",
        hint="if it is meant, name its network in the sink: `allow_private: [10.0.0.0/8]`",
        retryable=True,
    )


def connect(host: str, port: int, seconds: float, allowance: Allowance, lookup: Lookup = look_up) -> socket.socket:
    """A TCP connection to an allowed address of `host`. Blocking.

    Raises OSError when nobody answers, and DeliveryError as `allowed` does.
    """
    until = time.monotonic() + seconds
    addresses = allowed(host, port, allowance, lookup)
    failure = OSError("no address answers")
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return socket.create_connection((address, port), timeout=max((until - time.monotonic()) / left, 0.1))
        except OSError as error:
            failure = error
    raise failure


@contextmanager
def connected(host: str, port: int, seconds: float, allowance: Allowance) -> Iterator[socket.socket]:
    """A connection as `connect` makes it, which ends after `seconds`, however slowly the other side answers.

    Raises TimeoutError then, whatever was read: to the reader it looks as if the other side had closed. A time limit
    of the socket is one for each call, and holds nobody who sends a byte now and then.
    """
    until = time.monotonic() + seconds
    late = threading.Event()
    with connect(host, port, seconds, allowance) as connection, connection.dup() as twin:
        timer = threading.Timer(max(until - time.monotonic(), 0), _cut, [twin, late])
        timer.daemon = True
        timer.start()
        try:
            yield connection
        finally:
            timer.cancel()
            if late.is_set():
                raise TimeoutError


def _cut(twin: socket.socket, late: threading.Event) -> None:
    late.set()
    # The twin stays that of the connection when TLS takes the socket itself away.
    with suppress(OSError):
        twin.shutdown(socket.SHUT_RDWR)
