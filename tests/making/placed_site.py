"""A gateway's instance as a target would make it, without the target: its files and weights below a folder."""

from __future__ import annotations

import asyncio
import io
import tarfile
from pathlib import Path
from typing import NamedTuple

from modelwright.app.deploying.desired.contents import Brought
from modelwright.core.deploying.places import MANIFEST, SECRETS, WEIGHTS
from modelwright.core.deploying.workloads import Desired, Workload


class Placed(NamedTuple):
    """What `modelwright up` needs."""

    root: Path
    manifest: Path
    secrets: dict[str, str]
    """By name; in an instance they are files."""
    gateway: Workload


def read(brought: Brought, digest: str) -> bytes:
    """A content as a whole."""

    async def whole() -> bytes:
        return b"".join([piece async for piece in brought.read(digest)])

    return asyncio.run(whole())


def placed(found: Desired, brought: Brought, root: Path) -> Placed:
    """All that the gateway finds, each at its path below `root`; weights are looked for there, too."""
    gateway = next(one for one in found.workloads if one.name == "gateway")
    secrets: dict[str, str] = {}
    for mount in gateway.mounts:
        content, inside = read(brought, mount.digest), root / mount.path.lstrip("/")
        if mount.volume:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                archive.extractall(inside, filter="data")
        elif mount.path.startswith(SECRETS):
            secrets[inside.name] = content.decode()
        else:
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.write_bytes(content)
    manifest = root / MANIFEST.lstrip("/")
    manifest.write_text(manifest.read_text().replace(WEIGHTS, f"{root}{WEIGHTS}"))
    return Placed(root, manifest, secrets, gateway)
