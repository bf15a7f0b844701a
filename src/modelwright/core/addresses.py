"""Addresses `host:port`, IPv6 ones as `[host]:port`, and whom they can be trusted to; it resolves and opens nothing."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([-A-Za-z0-9]{0,62})(\.[A-Za-z0-9][-A-Za-z0-9]{0,62})*\.?", re.ASCII)

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All public IPv6 addresses are in here; Python calls others global too, such as site-local and embedded ones."""
_EXAMPLES = ipaddress.IPv6Network("3fff::/20")
"""For documentation, as RFC 9637 has it; not known to every version of Python."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def split_address(text: str) -> tuple[str, int]:
    """(host, port) of `127.0.0.1:8000`, `localhost:0` or `[::1]:8000`; raises ValueError that says what to write."""
    host, colon, port = text.rpartition(":")
    if not colon or not port:
        raise ValueError(f"{text!r} names no port; write such as 127.0.0.1:8000")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{port!r} is not a port; a port is a number from 0 to 65535")
    return _host(host, text), int(port)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach the host."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def at_node(url: str, host: str, port: int) -> str:
    """The same URL, user and options included, at another host; an empty `host` means that which it names."""
    parts = urlsplit(url)
    host = host or parts.hostname or ""
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}{f'[{host}]' if ':' in host else host}:{port}").geturl()


def redis_remedy(url: str) -> str:
    """What to write instead of something that is no address of Redis that this version can use."""
    if "sentinel" in url.partition(":")[0]:
        return "Sentinel is not asked: name what leads to the master, such as a proxy or a service, or use a cluster"
    return "write such as redis://host:6379/0, or rediss://host:6379/0 for TLS"


def is_sealed(url: str) -> bool:
    """Whether nobody on the way can change what is read there: https, or http on this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def join_address(host: str, port: int) -> str:
    """The text of which `split_address` makes the same two."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def may_be_reached(address: str, allowed: Sequence[Network]) -> bool:
    """Whether an address is public or in a network that the manifest allows, and any inside it, too."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(_is_open(each, allowed) for each in (found, *_within(found)))


def is_allowed(address: str, allowed: Sequence[Network]) -> bool:
    """Whether it is in a network that the manifest names."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(found.version == network.version and found in network for network in allowed)


def _host(host: str, text: str) -> str:
    if not host:
        raise ValueError(f"{text!r} names no host; write 127.0.0.1{text}, or 0.0.0.0{text} for every interface")
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise ValueError(f"{host[1:-1]!r} is not an IPv6 address; write such as [::1]:8000") from None
    if ":" in host:
        raise ValueError(f"{text!r} mixes host and port; an IPv6 address stands in brackets: [::1]:8000")
    if _HOST.fullmatch(host) is None or _looks_numeric(host):
        raise ValueError(f"{host!r} is no host name and no IP address; write such as 127.0.0.1:8000")
    return host


def _looks_numeric(host: str) -> bool:
    """All digits and dots, but no IPv4 address: a slip, not a name."""
    if not re.fullmatch(r"[\d.]+", host):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False


def _is_open(address: Address, allowed: Sequence[Network]) -> bool:
    if any(address.version == network.version and address in network for network in allowed):
        return True
    if isinstance(address, ipaddress.IPv6Address) and not any(address in network for network in (_UNICAST, _NAT64)):
        return False
    return address.is_global and not address.is_multicast and address not in _EXAMPLES


def _within(address: Address) -> tuple[Address, ...]:
    """The IPv4 addresses that an IPv6 one leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return tuple(each for each in inside if each is not None)
