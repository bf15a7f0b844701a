"""What is in an image, read from the lists that package managers keep: pure, over their texts."""

from __future__ import annotations

import json
from typing import Any

from modelwright.core.deploying.images import Part


def debian_parts(status: str) -> set[Part]:
    """Of dpkg's `status`: what is installed, not what was removed and left its settings."""
    found: set[Part] = set()
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed") and "Version" in fields:
            found.add(Part(manager="deb", name=fields["Package"], version=fields["Version"]))
    return found


def alpine_parts(installed: str) -> set[Part]:
    """Of apk's `installed`."""
    found: set[Part] = set()
    for paragraph in installed.split("\n\n"):
        fields = {line[0]: line[2:] for line in paragraph.splitlines() if line[1:2] == ":"}
        if "P" in fields and "V" in fields:
            found.add(Part(manager="apk", name=fields["P"], version=fields["V"], licence=fields.get("L", "")))
    return found


def python_parts(told: str) -> set[Part]:
    """Of what `ASK_PYTHON` prints; raises ValueError for anything else."""
    return {
        Part(manager="pypi", name=name, version=version, licence=licence) for name, version, licence in json.loads(told)
    }


def node_parts(lock: str) -> set[Part]:
    """Of a `package-lock.json`: what may get into a front end, so nothing that only its development needs."""
    packages: dict[str, Any] = json.loads(lock).get("packages", {})
    return {
        Part(
            manager="npm",
            name=one.get("name") or path.rpartition("node_modules/")[2],
            version=one["version"],
            licence=str(one.get("license") or ""),
        )
        for path, one in packages.items()
        if path and one.get("version") and not one.get("dev") and not one.get("link")
    }


ASK_PYTHON = """
import importlib.metadata, json
found = {}
for one in importlib.metadata.distributions():
    about = one.metadata
    licence = about.get("License-Expression") or about.get("License") or ""
    found[about["Name"]] = (about["Name"], one.version, licence if len(licence) < 100 else "")
print(json.dumps(sorted(found.values())))
"""
"""A program for the image's own Python."""
