"""What must be true of where calls go when they fail."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.manifest.sections.models import ScaleSection
from modelwright.core.nearest import nearest


def _fallback(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        variants, seen = endpoint.variants, set[str]()
        for index, label in enumerate(endpoint.fallback):
            here: Path = ("endpoints", name, "fallback", index)
            if here in case.unknown:
                continue
            if label not in variants:
                close = nearest(label, variants)
                remedy = f"did you mean {close}?" if close else f"one of {', '.join(variants)}"
                yield Finding(here, f"there is no variant {label!r}", remedy)
            elif label in seen:
                yield Finding(here, f"{label!r} stands there twice", "keep the first")
            seen.add(label)
        if endpoint.fallback and len(variants) == 1 and seen <= set(variants):
            problem = "there is only one variant, so a failed call cannot go anywhere else"
            yield Finding(("endpoints", name, "fallback"), problem, "add a variant, or set `retries`", on_key=True)


def _choose(case: Case) -> Iterator[Finding]:
    """What would be accepted and ignored is refused."""
    for name, endpoint in case.manifest.endpoints.items():
        if endpoint.choose == "weight":
            continue
        here: Path = ("endpoints", name)
        for field in ("by", "header", "replicas"):
            if field in endpoint.split.model_fields_set:
                problem = f"with `choose: {endpoint.choose}` nobody keeps a variant"
                yield Finding((*here, "split", field), problem, "remove one of them", on_key=True)
        for label, variant in endpoint.variants.items():
            if variant.weight not in {0, 1}:
                problem = f"with `choose: {endpoint.choose}` a weight only says whether a variant may be chosen"
                yield Finding((*here, "variants", label, "weight"), problem, "write 1 or 0", on_key=True)


def _replicas(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        served = {variant.serves for variant in endpoint.variants.values()} & case.manifest.models.keys()
        if endpoint.split.replicas and not any(_several(case.manifest.models[model].scale) for model in served):
            problem = "no variant is a model of yours with several replicas"
            yield Finding(("endpoints", name, "split", "replicas"), problem, "remove it", on_key=True)


def _several(scale: ScaleSection) -> bool:
    """Whether replicas can be told apart: those of a model that a call starts have one socket."""
    return scale.min > 0 and max(scale.min, scale.max) > 1


def _currencies(case: Case) -> Iterator[Finding]:
    """What is known here of prices; those of price lists are looked up at the start."""
    for name, endpoint in case.manifest.endpoints.items():
        if endpoint.choose != "price":
            continue
        found: set[str] = set()
        for variant in endpoint.variants.values():
            provider = case.manifest.providers.get(variant.provider)
            price = provider.prices.get(variant.model) if provider is not None else None
            if price is not None:
                found.add(price.currency)
        if len(found) > 1:
            problem = f"prices in {' and '.join(sorted(found))} cannot be compared"
            yield Finding(("endpoints", name, "choose"), problem, "give the models prices in one currency")


RULES: Rules = (_fallback, _choose, _replicas, _currencies)
