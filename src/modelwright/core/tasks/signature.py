"""Signatures of webhooks as Standard Webhooks has them, and which addresses may be told; it sends nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST, MOST = 24, 64
"""Bytes of a secret."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All public IPv6 addresses are in here; Python calls others global too, such as site-local and embedded ones."""
_EXAMPLES = ipaddress.IPv6Network("3fff::/20")
"""For documentation, as RFC 9637 has it; not known to every version of Python."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read_secret(text: str) -> bytes:
    """The key of `whsec_` and base64; raises ValueError, which does not tell the secret."""
    encoded = text.strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.strip().startswith(PREFIX) or not LEAST <= len(key) <= MOST:
        raise ValueError(f"a webhook's secret is {PREFIX} and {LEAST} to {MOST} bytes in base64")
    return key


def signatures(keys: Sequence[bytes], *, message: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: `v1,…` of each key, with blanks between."""
    signed = f"{message}.{timestamp}.".encode() + body
    made = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(each).decode()}" for each in made)


def may_be_told(address: str, allowed: Sequence[Network]) -> bool:
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
