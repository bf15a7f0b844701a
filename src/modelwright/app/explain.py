"""Which variant of an endpoint answers a given caller, and why: the gateway's own rule, without a gateway; pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.snapshot import endpoints
from modelwright.core import split
from modelwright.core.contracts.snapshot import Endpoint
from modelwright.core.errors.calls import UnknownEndpoint
from modelwright.core.nearest import nearest


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call."""

    user: str = ""
    """The body's `user` field."""
    tenant: str = ""
    key: str = ""
    """Public id of the API key."""
    headers: Mapping[str, str] = {}


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One variant and the part of [0, 1) that it answers."""

    variant: str
    provider: str
    model: str
    weight: float
    share: float
    begin: float
    end: float
    off: str = ""
    """Why its provider is off."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; `variant` is empty when it depends on something that was not said."""

    endpoint: str
    variant: str
    reason: str
    """One sentence."""
    split_by: str
    subject: str = ""
    source: str = ""
    """Where the subject comes from: `header x-user-id`, user, tenant, key."""
    position: float | None = None
    choose: str = "weight"
    """What decides between the variants; shares mean something only with weights."""
    fallback: tuple[str, ...] = ()
    """Variants that are asked in this order when the one that was chosen fails."""
    shares: tuple[Share, ...] = ()


def explain(loaded: LoadedManifest, endpoint: str, *, caller: Caller, salt: bytes | None) -> Explanation:
    """Raises UnknownEndpoint. `salt` may be None while the installation has none: then nobody's position is known."""
    known = {each.name: each for each in endpoints(loaded)}
    found = known.get(endpoint)
    if found is None:
        close = nearest(endpoint, known)
        hint = f"did you mean {close}?" if close else f"known: {', '.join(sorted(known))}"
        raise UnknownEndpoint(f"there is no endpoint {endpoint!r}", hint=hint)
    shares = _shares(found, loaded.off)
    alone = [share.variant for share in shares if share.weight > 0]
    subject, shown, source = _subject(found, caller)
    at = split.position(salt, found.name, subject) if salt is not None and subject else None
    explanation = Explanation(
        endpoint=endpoint,
        variant="",
        reason="",
        split_by=found.split_by,
        subject=shown,
        source=source,
        position=at,
        choose=found.choose,
        fallback=found.fallback,
        shares=shares,
    )
    if len(alone) == 1:
        return _decided(explanation, alone[0], "it is the only variant with a weight above zero")
    if not subject or found.choose != "weight":
        return msgspec.structs.replace(explanation, reason=_undecided(found))
    if at is None:
        reason = "this installation has no salt yet; `modelwright up` makes it at its first start"
        return msgspec.structs.replace(explanation, reason=reason)
    chosen = found.variants[split.choose([variant.weight for variant in found.variants], at)].name
    return _decided(explanation, chosen, f"{source} {shown!r} stands at {at:.6f}")


_NOW = {
    "latency": "the one that is quickest at the time, of two taken by chance",
    "in_flight": "the one that has the fewest calls under way at the time",
    "price": "the one that may cost the least for this call, of those that are up",
}


def _decided(explanation: Explanation, variant: str, reason: str) -> Explanation:
    return msgspec.structs.replace(explanation, variant=variant, reason=reason)


def _undecided(endpoint: Endpoint) -> str:
    if endpoint.choose != "weight":
        return _NOW[endpoint.choose]
    if endpoint.split_by == "call":
        return "every call is drawn by itself"
    if endpoint.split_by == "user":
        first = f"header {endpoint.split_header}, then the " if endpoint.split_header else ""
        return f"it depends on the {first}body's `user`, then the key; a call without any is drawn by itself"
    if endpoint.split_by == "conversation":
        first = f"header {endpoint.split_header}, then the " if endpoint.split_header else ""
        return f"it depends on the {first}messages up to the first one of the user"
    return f"it depends on the {endpoint.split_by}"


def _subject(endpoint: Endpoint, caller: Caller) -> tuple[str, str, str]:
    """(subject, as people read it, where it comes from), as the gateway takes it; empty texts when it was not said."""
    values = {name.lower(): value.strip() for name, value in caller.headers.items()}
    header = values.get(endpoint.split_header, "") if endpoint.split_header else ""
    # The gateway reads a header's bytes, one character each.
    raw = header.encode(errors="surrogateescape").decode("latin-1")
    if endpoint.split_by == "conversation":
        return (raw, header, f"header {endpoint.split_header}") if header else ("", "", "")
    subject = split.subject(endpoint.split_by, header=raw, user=caller.user, tenant=caller.tenant, key=caller.key)
    if not subject:
        return "", "", ""
    if endpoint.split_by != "user":
        return subject, subject, endpoint.split_by
    if header:
        return subject, header, f"header {endpoint.split_header}"
    return subject, subject, "user" if caller.user else "key"


def _shares(endpoint: Endpoint, off: Mapping[str, str]) -> tuple[Share, ...]:
    weights = [variant.weight for variant in endpoint.variants]
    return tuple(
        Share(
            variant=variant.name,
            provider=variant.provider,
            model=variant.model,
            weight=variant.weight,
            share=variant.weight / sum(weights),
            begin=begin,
            end=end,
            off=off.get(variant.provider, ""),
        )
        for variant, (begin, end) in zip(endpoint.variants, split.spans(weights), strict=True)
    )
