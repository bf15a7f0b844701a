"""What decides about calls, as the running gateway has it or as the manifest would let it start; pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.snapshot import aliases, endpoints, limits
from modelwright.core.contracts.snapshot import Endpoint, Limits, Snapshot


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """All that an explanation needs of a snapshot."""

    told_by: str
    """gateway | file."""
    endpoints: dict[str, Endpoint]
    limits: Limits
    off: Mapping[str, str]
    """Why providers are off, by name."""
    salt: bytes | None
    """None while the installation has none: then nobody's position is known."""


def running(snapshot: Snapshot) -> InForce:
    """Of the snapshot that gateway workers answer by."""
    return InForce(
        told_by="gateway",
        endpoints={endpoint.name: endpoint for endpoint in snapshot.endpoints},
        limits=snapshot.limits,
        off={provider.name: provider.off for provider in snapshot.providers if provider.off},
        salt=bytes.fromhex(snapshot.split_salt),
    )


def of_file(loaded: LoadedManifest, *, salt: bytes | None) -> InForce:
    """Of the manifest alone: weights and aliases as they start."""
    starts = aliases(loaded)
    known = {endpoint.name: _started(endpoint, starts) for endpoint in endpoints(loaded)}
    return InForce(told_by="file", endpoints=known, limits=limits(loaded.manifest), off=loaded.off, salt=salt)


def _started(endpoint: Endpoint, starts: Mapping[str, str]) -> Endpoint:
    variants = tuple(
        msgspec.structs.replace(variant, prompt=f"{variant.prompt.partition('@')[0]}@{starts[variant.prompt]}")
        if variant.prompt in starts
        else variant
        for variant in endpoint.variants
    )
    return msgspec.structs.replace(endpoint, variants=variants)
