"""`modelwright package`: builds the images of what the manifest names, or shows how they are built."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwright.core.deploying.images import Built, Recipe

MEGABYTE = 1_000_000


def package(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Of what; without any, of all.")] = None,
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest.")] = Path("modelwright.yaml"),
    env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment: development, test or production.")
    ] = None,
    shown: Annotated[bool, typer.Option("--print", help="Show the Dockerfiles, and build nothing.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write Dockerfiles and what they copy, and build nothing.")
    ] = None,
    scan: Annotated[bool, typer.Option("--scan", help="Look for known weaknesses; could not look: failed.")] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Take what images start from as it is now.")] = False,
    cache: Annotated[
        str, typer.Option(metavar="REPOSITORY", help="Where layers are kept for machines that begin with none.")
    ] = "",
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Look no variable and no secret up, where there are none.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Build images: of Modelwright with what the models need, and of the manifest's programs.

    What is the same as before is found, not built again. DOCKER_HOST says by which engine; otherwise it is that of a
    target on this machine, or what docker's own context names.
    """
    from modelwright.app.manifest.load import deploying_of, load_manifest

    _, where = deploying_of(file, environment=env)
    target = where.targets.get(where.target)
    loaded = load_manifest(file, environment=env, deploying=target is not None, without_secrets=without_secrets)
    if shown or out is not None:
        from modelwright.app.packaging.recipes import recipes

        _show(recipes(loaded, names=names or ()), out=out)
        return
    from modelwright.app.plugins import require_deploy

    require_deploy()
    from modelwright.app.deploying.builder import building
    from modelwright.app.packaging.package import package as make
    from modelwright.app.settings.settings import process_environment

    engine = building(target, process_environment())
    built = asyncio.run(make(loaded, names=names or (), env=engine, anew=refresh, scanned=scan, cache=cache, told=_say))
    if as_json:
        from modelwright.cli.versions import print_facts

        print_facts(built)
        return
    for one in built.values():
        _print(one)


def _show(found: Sequence[Recipe], *, out: Path | None) -> None:
    for recipe in found:
        if out is None:
            print(f"# {recipe.name}: {recipe.repository}\n{recipe.dockerfile}")
            continue
        folder = out / recipe.name
        folder.mkdir(parents=True, exist_ok=True)
        texts = {"Dockerfile": recipe.dockerfile.encode(), "Dockerfile.dockerignore": recipe.ignore.encode()}
        for name, content in {**texts, **recipe.files}.items():
            (folder / name).write_bytes(content)
        print(f"{folder / 'Dockerfile'}: build it with {recipe.folder or folder}")


def _print(built: Built) -> None:
    size = f"{built.size / MEGABYTE:.0f} MB, {built.above / MEGABYTE:.0f} of them beyond its base" if built.size else ""
    how = "built" if built.fresh else "there already"
    print(f"{built.name}: {', '.join(built.tags)} ({how}{', ' if size else ''}{size})")
    print(f"    {built.reference}")
    for notice in built.notices:
        print(f"    {notice}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
