"""Which address a call comes from: the connection's own, or what proxies say that the manifest trusts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

_IPV6_SITE = 64
"""Bits of an IPv6 address that one customer of a network has: the rest is theirs to choose."""
HOPS = 32
"""Proxies that are believed one after the other; nobody has as many."""
_KNOWN = 4096
"""Addresses that are read once."""


class Addresses:
    """Reads `X-Forwarded-For` from its end, as far as the proxies are trusted."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """`trusted` are networks such as 10.0.0.0/8."""
        self._trusted = tuple(ipaddress.ip_network(network) for network in trusted)
        self._known: dict[str, str] = {}

    def of(self, peer: str, headers: dict[bytes, bytes]) -> str:
        """The client's address, an IPv6 one as its /64 network; empty when there is none (a Unix socket)."""
        if not self._trusted or not self._trusts(peer):
            return self._subject(peer)
        told = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        client = peer
        for entry in reversed(told.rsplit(",", HOPS)[-HOPS:]):
            hop = _bare(entry.strip())
            if not hop:
                break
            client = hop
            if not self._trusts(hop):
                break
        return self._subject(client)

    def _subject(self, text: str) -> str:
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            known = self._known[text] = _subject(text)
        return known

    def _trusts(self, text: str) -> bool:
        address = _parsed(text)
        return address is not None and any(address in network for network in self._trusted)


def _subject(text: str) -> str:
    address = _parsed(text)
    if address is None:
        return text
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _bare(text: str) -> str:
    """An address without its port; empty when it is none, so that nobody can invent subjects."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return text if _parsed(text) is not None else ""
