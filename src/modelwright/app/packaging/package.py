"""Makes the images of a manifest: what is the same as before is found again, not built again."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from modelwright.adapters.images.commits import standing
from modelwright.adapters.images.context import pack
from modelwright.adapters.images.engine import Engine
from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.packaging.bases import Bases
from modelwright.app.packaging.bills import bill
from modelwright.app.packaging.recipes import recipes
from modelwright.app.packaging.scans import scan
from modelwright.app.packaging.secrets import build_secrets
from modelwright.core.deploying.images import Built, Commit, Recipe
from modelwright.core.errors.deploying import BuildFailed
from modelwright.deploy.images.naming import INPUTS, inputs_of, labels, tags

BILLS = "images"
"""Folder of the state directory with what images consist of."""


async def package(
    loaded: LoadedManifest,
    *,
    names: Sequence[str] = (),
    env: Mapping[str, str],
    anew: bool = False,
    scanned: bool = False,
    cache: str = "",
    told: Callable[[str], None] = lambda _: None,
) -> dict[str, Built]:
    """Images by workload, of these or of all; `env` is what `docker` is run with, DOCKER_HOST in it names the engine.

    `anew` looks for new bases; `scanned` has every image pass scanners, whatever the manifest says; `cache` is a
    repository that keeps layers for machines that begin with none; `told` hears what goes on.
    Raises BuildFailed, ScanFailed.
    """
    engine, wanted = Engine(env), recipes(loaded, names=names)
    bases = Bases(loaded.base_dir, engine, anew=anew)
    for base in dict.fromkeys(base for recipe in wanted for base in recipe.bases):
        await bases.size(base)  # once, before all of them ask
    maker = _Maker(loaded, engine, env=env, bases=bases, cache=cache, told=told)
    try:
        async with asyncio.TaskGroup() as group:
            making = {recipe.name: group.create_task(maker.made(recipe)) for recipe in wanted}
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    found = {name: task.result() for name, task in making.items()}
    bases.keep()
    for built in found.values() if scanned or loaded.manifest.build.scan else ():
        told(f"{built.name}: looking for known weaknesses")
        await scan(built, scanners=loaded.manifest.build.scan, env=env)
    return found


class _Maker:
    """Looks for images side by side, and builds one after another."""

    def __init__(
        self,
        loaded: LoadedManifest,
        engine: Engine,
        *,
        env: Mapping[str, str],
        bases: Bases,
        cache: str,
        told: Callable[[str], None],
    ) -> None:
        self._bases = bases
        self._building = asyncio.Lock()
        self._loaded = loaded
        self._build = loaded.manifest.build
        self._engine = engine
        self._env = env
        self._cache = cache
        self._told = told

    async def made(self, recipe: Recipe) -> Built:
        """One image, found or built."""
        pins = {base: await self._bases.pinned(base) for base in recipe.bases}
        dockerfile = recipe.dockerfile
        for base, (pinned, _) in pins.items():
            dockerfile = re.sub(rf"(?m)^FROM {re.escape(base)}(?=\s)", f"FROM {pinned}", dockerfile)
        folder = Path(recipe.folder) if recipe.folder else None
        commit = await self._commit(folder)
        with tempfile.TemporaryDirectory() as name:
            archive = Path(name) / "context.tar"
            content = pack(folder, recipe.files, ignore=recipe.ignore, dockerfile=dockerfile, out=archive)
            about = "" if commit is None else commit.revision
            inputs = inputs_of(content, about, *(what for _, what in pins.values()), *self._build.platforms)
            marks = labels(recipe, commit, inputs=inputs)
            names = tags(recipe, commit, registry=self._build.registry, inputs=inputs)
            if len(self._build.platforms) > 1:
                async with self._building:
                    return await self._pushed_for_all(recipe, archive, marks, names=names, inputs=inputs, commit=commit)
            label, fresh = f"{INPUTS}={inputs}", False
            image = await self._engine.labelled(label)
            if not image:
                async with self._building:
                    image = await self._engine.labelled(label)  # it may have been built for another workload
                    if not image:
                        fresh = True
                        self._told(f"{recipe.name}: building {names[0]}")
                        image = await self._built(recipe, archive, marks, commit=commit)
        return await self._finished(recipe, image, names=names, inputs=inputs, fresh=fresh, commit=commit)

    async def _built(self, recipe: Recipe, archive: Path, marks: Mapping[str, str], *, commit: Commit | None) -> str:
        with tempfile.TemporaryDirectory() as name:
            return await self._engine.build(
                archive,
                labels=marks,
                secrets=self._secrets(Path(name)),
                network=self._build.network,
                time=commit.at if commit else None,
                cache=f"{self._cache}:{recipe.name}" if self._cache else "",
            )

    async def _pushed_for_all(
        self,
        recipe: Recipe,
        archive: Path,
        marks: Mapping[str, str],
        *,
        names: tuple[str, ...],
        inputs: str,
        commit: Commit | None,
    ) -> Built:
        self._told(f"{recipe.name}: building {names[0]} for {', '.join(self._build.platforms)}")
        with tempfile.TemporaryDirectory() as name:
            digest = await self._engine.build_all(
                archive,
                platforms=self._build.platforms,
                tags=names,
                labels=marks,
                secrets=self._secrets(Path(name)),
                network=self._build.network,
                time=commit.at if commit else None,
                cache=f"{self._cache}:{recipe.name}" if self._cache else "",
            )
        reference = f"{names[0].rpartition(':')[0]}@{digest}"
        return Built(
            name=recipe.name,
            reference=reference,
            id="",
            tags=names,
            size=0,
            above=0,
            inputs=inputs,
            notices=recipe.notices,
        )

    async def _finished(
        self,
        recipe: Recipe,
        image: str,
        *,
        names: tuple[str, ...],
        inputs: str,
        fresh: bool,
        commit: Commit | None,
    ) -> Built:
        facts = await self._engine.facts(image)
        if facts is None:
            raise BuildFailed(f"{names[0]} was built and is not there", hint="package again")
        await self._engine.tag(image, [name for name in names if name not in facts.tags])
        reference = image
        if self._build.registry:
            references = [await self._engine.push(name) for name in names]
            reference = references[0]
        bom = await bill(self._engine, recipe, image, folder=self._loaded.state_dir / BILLS, commit=commit)
        return Built(
            name=recipe.name,
            reference=reference,
            id=image,
            tags=names,
            size=facts.size,
            above=facts.size - (await self._bases.size(recipe.bases[-1]) if recipe.bases else 0),
            inputs=inputs,
            bom=str(bom),
            fresh=fresh,
            notices=recipe.notices,
        )

    async def _commit(self, folder: Path | None) -> Commit | None:
        return await standing(folder, env=self._env) if folder else None

    def _secrets(self, out: Path) -> dict[str, Path]:
        bundle = self._build.ca_bundle
        home = Path(self._env.get("HOME") or "/nonexistent")
        return build_secrets(
            self._env, ca_bundle=self._loaded.base_dir / bundle if bundle else None, home=home, out=out
        )
