"""From a manifest to what should run for it: its images are built where they have changed, its files looked up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from modelwright.app.deploying.builder import building
from modelwright.app.deploying.desired.build import desired
from modelwright.app.deploying.desired.prepare import Prepared, prepare
from modelwright.app.deploying.supplies import Describe, Described
from modelwright.app.packaging.package import package
from modelwright.app.packaging.recipes import GATEWAY, KEEPER
from modelwright.app.settings.settings import process_environment


def from_manifest(manifest: Path, *, environment: str | None, told: Callable[[str], None]) -> Describe:
    """`told` hears how images are built; what was read and built once is the same for every salt."""
    found: list[tuple[Prepared, dict[str, str]]] = []

    async def look() -> tuple[Prepared, dict[str, str]]:
        prepared = await asyncio.to_thread(prepare, manifest, environment=environment)
        if prepared.target.kind == "local":
            return prepared, {GATEWAY: f"modelwright:{version('modelwright')}", KEEPER: ""}
        env = building(prepared.target, process_environment())
        built = await package(prepared.loaded, env=env, told=told)
        return prepared, {name: one.reference for name, one in built.items()}

    async def describe(salt: str) -> Described:
        if not found:
            found.append(await look())
        prepared, images = found[0]
        wanted, contents = await asyncio.to_thread(desired, prepared, images=images, salt=salt)
        return Described(desired=wanted, contents=contents, keeper=images[KEEPER])

    return describe
