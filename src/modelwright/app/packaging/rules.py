"""What must be true of how images are made."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.manifest.rules.case import Case, Rules

_REGISTRY = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?")


def _build(case: Case) -> Iterator[Finding]:
    section, here = case.manifest.build, ("build",)
    if section.registry and (*here, "registry") not in case.unknown and not _REGISTRY.fullmatch(section.registry):
        remedy = "write such as registry.example.com/team, without https:// and in small letters"
        yield Finding((*here, "registry"), f"{section.registry!r} is no place in a registry", remedy)
    for platform in section.platforms:
        if not _PLATFORM.fullmatch(platform):
            yield Finding((*here, "platforms"), f"{platform!r} is no platform", "write such as linux/arm64")
    if len(section.platforms) > 1 and not section.registry:
        remedy = "name build.registry, or keep one platform"
        yield Finding((*here, "platforms"), "an engine keeps an image for one platform only", remedy)


RULES: Rules = (_build,)
