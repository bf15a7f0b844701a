"""What must be true of models' sources and of the store of their files, as far as it can be told without a network."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from modelwright.app.document.finding import Finding
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.manifest.sections.models import in_versions, place_of
from modelwright.app.sources.reference import S3, form_of, problem_of


def _sources(case: Case) -> Iterator[Finding]:
    for label, model in in_versions(case.manifest.models).items():
        here = place_of(label)
        if (*here, "source") in case.unknown:
            continue
        digest = model.digest or ("?" if (*here, "digest") in case.unknown else "")
        problem, remedy = problem_of(model.source, digest=digest)
        if problem:
            yield Finding((*here, "source"), problem, remedy)


def _store(case: Case) -> Iterator[Finding]:
    section, here = case.manifest.store.artifacts, ("store", "artifacts")
    if form_of(section.at) == S3 and (*here, "at") not in case.unknown:
        problem, _ = problem_of(f"{section.at.rstrip('/')}/x", digest="")
        if problem:
            yield Finding((*here, "at"), f"{section.at!r} names no bucket", "write s3://bucket/prefix")
    elif "://" in section.at:
        yield Finding((*here, "at"), f"{section.at!r} is no store", "name a folder, or write s3://bucket/prefix")
    if section.endpoint and (*here, "endpoint") not in case.unknown:
        parts = urlsplit(section.endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            problem = f"{section.endpoint!r} is no address of a service"
            yield Finding((*here, "endpoint"), problem, "write such as https://minio.example.com")


RULES: Rules = (
    _sources,
    _store,
)
