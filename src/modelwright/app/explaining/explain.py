"""What becomes of a call and why: the gateway's own rules, without a gateway; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from modelwright.app.explaining.facts import Caller, Explanation, LimitTold, Share
from modelwright.app.explaining.rules_in_force import InForce
from modelwright.core import split
from modelwright.core.contracts.guard import EndpointGuard, GuardSide
from modelwright.core.contracts.snapshot import Caching, Endpoint
from modelwright.core.errors.calls import UnknownEndpoint
from modelwright.core.limits import described, rules_of
from modelwright.core.nearest import nearest


def explain(known: InForce, endpoint: str, *, caller: Caller) -> Explanation:
    """Raises UnknownEndpoint."""
    found = known.endpoints.get(endpoint)
    if found is None:
        close = nearest(endpoint, known.endpoints)
        hint = f"did you mean {close}?" if close else f"known: {', '.join(sorted(known.endpoints))}"
        raise UnknownEndpoint(f"there is no endpoint {endpoint!r}", hint=hint)
    subject, shown, source = _subject(found, caller)
    explanation = Explanation(
        endpoint=endpoint,
        variant="",
        reason="",
        split_by=found.split_by,
        told_by=known.told_by,
        subject=shown,
        source=source,
        position=split.position(known.salt, found.name, subject) if known.salt is not None and subject else None,
        choose=found.choose,
        fallback=found.fallback,
        shares=_shares(found, known.off),
        operations=found.operations,
        limits=tuple(_limits(known, found, caller)),
        guard=tuple(_guard(found.guard)) if found.guard is not None else (),
        cache=tuple(_cache(found.cache)) if found.cache is not None else (),
        shadow=found.shadow,
        retries=found.retries.attempts,
    )
    if caller.endpoints and endpoint not in caller.endpoints:
        return _nobody(explanation, f"key {caller.key} may not call it")
    variant, reason = _chosen(explanation, found, caller)
    if not variant:
        return _nobody(explanation, reason)
    return _unless_off(msgspec.structs.replace(explanation, variant=variant, reason=reason))


def _chosen(explanation: Explanation, endpoint: Endpoint, caller: Caller) -> tuple[str, str]:
    """(variant, why it is the one); no variant when that cannot be said."""
    named = _header(caller, endpoint.override_header)
    names = [variant.name for variant in endpoint.variants]
    if named:
        reason = f"header {endpoint.override_header} names it"
        return (named, reason) if named in names else ("", f"there is no variant {named!r}, so the call is refused")
    alone = [variant.name for variant in endpoint.variants if variant.weight > 0]
    if len(alone) == 1:
        return alone[0], "it is the only variant with a weight above zero"
    if not explanation.subject or endpoint.choose != "weight":
        return "", _undecided(endpoint)
    if explanation.position is None:
        return "", "this installation has no salt yet; `modelwright up` makes it at its first start"
    chosen = split.choose([variant.weight for variant in endpoint.variants], explanation.position)
    return names[chosen], f"{explanation.source} {explanation.subject!r} stands at {explanation.position:.6f}"


def _unless_off(explanation: Explanation) -> Explanation:
    """The first of the fallback that is on answers for a variant whose provider is off."""
    off = {share.variant: share.off for share in explanation.shares if share.off}
    variant = explanation.variant
    if variant not in off:
        return explanation
    other = next((name for name in explanation.fallback if name not in off), "")
    if not other:
        return _nobody(explanation, f"{variant} would, but its provider is off: {off[variant]}")
    why = f"{variant} would ({explanation.reason}), but its provider is off: {off[variant]}"
    return msgspec.structs.replace(explanation, variant=other, reason=why)


def _nobody(explanation: Explanation, reason: str) -> Explanation:
    return msgspec.structs.replace(explanation, variant="", reason=reason)


def _limits(known: InForce, endpoint: Endpoint, caller: Caller) -> Iterator[LimitTold]:
    subjects = {
        "tenant": caller.tenant,
        "key": caller.key,
        "user": caller.user or caller.key,
        "address": "",
        "endpoint": endpoint.name,
    }
    found = rules_of(known.limits)
    for by, subject in subjects.items():
        if by in found:
            for rule in found[by].named.get(subject, found[by].each):
                yield LimitTold(by=by, subject=subject, limit=described(rule))


def _guard(guard: EndpointGuard) -> Iterator[str]:
    for name, side in (("input", guard.input), ("output", guard.output)):
        yield from (f"{name} {what}" for what in _side(side))
    yield f"on error {guard.on_error}"


def _side(side: GuardSide) -> Iterator[str]:
    for what, action in (("pii", side.pii), ("injection", side.injection), ("leak", side.leak)):
        if action != "off":
            yield f"{what} {action}"
    for rule in side.rules:
        yield f"rule {rule.name} {rule.action}"
    if side.max_chars:
        yield f"at most {side.max_chars} characters"


def _cache(caching: Caching) -> Iterator[str]:
    yield f"the same question for {caching.ttl:g} s"
    if caching.semantic is not None:
        alike = caching.semantic
        yield f"questions that mean the same, by the vectors of {alike.endpoint}, from {alike.threshold:g} on"


_NOW = {
    "latency": "the one that is quickest at the time, of two taken by chance",
    "in_flight": "the one that has the fewest calls under way at the time",
    "price": "the one that may cost the least for this call, of those that are up",
}


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
    header = _header(caller, endpoint.split_header)
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
            prompt=variant.prompt,
            off=off.get(variant.provider, ""),
        )
        for variant, (begin, end) in zip(endpoint.variants, split.spans(weights), strict=True)
    )


def _header(caller: Caller, name: str) -> str:
    """The value of a header; empty when it was not sent, or there is no name."""
    values = {name.lower(): value.strip() for name, value in caller.headers.items()}
    return values.get(name, "") if name else ""
