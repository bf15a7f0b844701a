"""Has images pass scanners; what is in them is read from their bills of materials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from modelwright.adapters.images.scanners import Weakness, pip_audit, trivy
from modelwright.core.deploying.images import Built
from modelwright.core.errors.deploying import ScanFailed

SCANNERS = ("pip-audit", "trivy")
_MOST = 20


async def scan(built: Built, *, scanners: Sequence[str], env: Mapping[str, str]) -> None:
    """By these scanners, without any by pip-audit; raises ScanFailed for what is found, and when none could look."""
    found: list[Weakness] = []
    for scanner in scanners or SCANNERS[:1]:
        if scanner == SCANNERS[0]:
            packages = python_packages(Path(built.bom))
            found += await pip_audit(packages, env=env) if packages else ()
        else:
            found += await trivy(built.id or built.reference, env=env)
    if found:
        lines = [
            f"{one.part} {one.version}: {one.id}" + (f", mended in {one.mended}" if one.mended else "") for one in found
        ]
        more = f"\n… and {len(lines) - _MOST} more" if len(lines) > _MOST else ""
        told = "\n".join(lines[:_MOST]) + more
        raise ScanFailed(f"{built.name} has known weaknesses:\n{told}", hint="take versions that are mended")


def python_packages(bom: Path) -> list[tuple[str, str]]:
    """(name, version) of what came from PyPI; Modelwright itself is not there."""
    return sorted(
        (one["name"], one["version"])
        for one in json.loads(bom.read_bytes())["components"]
        if one["purl"].startswith("pkg:pypi/") and one["name"] != "modelwright"
    )
