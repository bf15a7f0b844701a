"""What must be true of the section `backup`."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.sources.reference import S3, form_of, problem_of

_TO: Path = ("backup", "to")


def _to(case: Case) -> Iterator[Finding]:
    to, here = case.manifest.backup.to, _TO
    if here in case.unknown:
        return
    is_bucket = form_of(to) == S3
    if is_bucket and problem_of(f"{to.rstrip('/')}/x", digest="")[0]:
        yield Finding(here, f"{to!r} names no bucket", "write s3://bucket/prefix")
    elif not is_bucket and "://" in to:
        yield Finding(here, f"{to!r} is no place for backups", "name a folder, or write s3://bucket/prefix")


RULES: Rules = (_to,)
