"""Reads the public keys of an OIDC issuer: discovery, then the key set; it keeps nothing and decides no rhythm."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from modelwright.core.addresses import is_loopback, is_sealed
from modelwright.core.errors.providers import ProviderError
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest

WELL_KNOWN = "/.well-known/openid-configuration"
MOST_BYTES = 1 << 20
MOST_KEYS = 64
_MEMBERS = frozenset({"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"})
"""Of a key: the public ones that a signature needs."""
_WITHIN = Deadlines(connect=2.0, first_byte=2.0, idle=2.0)
_PORTS = {"https": 443, "http": 80}

JsonWebKey = dict[str, str]


async def read_keys(transport: Transport, issuer: str) -> tuple[JsonWebKey, ...]:
    """The keys that an issuer publishes, their public parts, in its order.

    Raises CallError, with words for the operator, when it cannot be asked or its answer is not to be trusted.
    """
    found = await _get(transport, issuer.rstrip("/") + WELL_KNOWN)
    if found.get("issuer") != issuer:
        raise ProviderError("its discovery document names another issuer", hint="write the issuer as it is named there")
    address = found.get("jwks_uri")
    if not isinstance(address, str) or not _is_fit(address, issuer):
        raise ProviderError("its discovery document names no key set over https (jwks_uri)")
    listed = (await _get(transport, address)).get("keys")
    keys = tuple(key for each in (listed if isinstance(listed, list) else [])[:MOST_KEYS] if (key := _public(each)))
    if not keys:
        raise ProviderError("its key set holds no public key")
    return keys


def _is_fit(address: str, issuer: str) -> bool:
    """Over https; over http on this machine for an issuer that is there too: no other shall make us ask our own ports.

    The issuer's own URL was asked before, so that it can be taken apart.
    """
    return is_sealed(address) and (urlsplit(address).scheme == "https" or is_loopback(urlsplit(issuer).hostname or ""))


def _public(key: Any) -> JsonWebKey:
    """Empty for what is no public key."""
    if not isinstance(key, dict) or key.get("kty") not in {"RSA", "EC", "OKP"}:
        return {}
    return {name: value for name, value in key.items() if name in _MEMBERS and isinstance(value, str)}


async def _get(transport: Transport, url: str) -> dict[str, Any]:
    try:
        answer = await transport.send(_request(url), _WITHIN)
    except ValueError as error:
        raise ProviderError(f"{url!r} cannot be asked: {error}") from None
    try:
        if answer.status != 200:
            raise ProviderError(f"{url} answered {answer.status}")
        body = await answer.read(MOST_BYTES)
    finally:
        answer.close()
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise ProviderError(f"{url} did not answer by a JSON object") from None


def _request(url: str) -> UpstreamRequest:
    """Raises ValueError for what cannot be asked, such as a port past the last."""
    parts = urlsplit(url)
    origin = Origin(scheme=parts.scheme, host=parts.hostname or "", port=parts.port or _PORTS[parts.scheme])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return UpstreamRequest(origin=origin, method="GET", target=target, headers=((b"accept", b"application/json"),))
