"""What must be true of limits: that whoever counts sees every call."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.manifest.rules.case import Case, Rules


def _one_counts_for_all(case: Case) -> Iterator[Finding]:
    manifest = case.manifest
    workers = manifest.gateway.workers
    limited = any(section.model_fields_set for section in manifest.access.limits.values())
    if limited and workers > 1 and manifest.store.redis == "none" and ("store", "redis") not in case.unknown:
        problem = f"{workers} gateway workers would each count for themselves, so that {workers} times the limits pass"
        yield Finding(("access", "limits"), problem, "write `gateway.workers: 1`", on_key=True)


RULES: Rules = (_one_counts_for_all,)
