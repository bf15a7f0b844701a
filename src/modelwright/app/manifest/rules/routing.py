"""What must be true of where calls go when they fail."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules
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


RULES: Rules = (_fallback,)
