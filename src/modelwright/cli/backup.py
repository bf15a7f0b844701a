"""`modelwright backup` and `modelwright restore`: all state of a site or an environment in one encrypted file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelwright.cli.deploys import MANIFEST, Env, File, Json, View, facts
from modelwright.cli.versions import say

if TYPE_CHECKING:
    from modelwright.app.backups.keeping import Kept, Restored, Wanted

WHY = "restore of a backup"


def backup(
    *,
    file: File = MANIFEST,
    env: Env = None,
    to: Annotated[str, typer.Option(metavar="DIR", help="Folder, or s3://bucket/prefix, that it is kept in.")] = "",
    recipient: Annotated[
        list[str] | None, typer.Option(metavar="age1…", help="Who may open it; may be given several times.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead, a key that is here; its owner may open it.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Remove older ones there but for N; 0: none.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep the state of a site, or of an environment on a target, in one encrypted file, also while it runs.

    What is not given is as the manifest's section `backup` says. Of a site: database, ledger rows on their way there,
    registry, keys, salt and pepper, and the manifest. Of an environment that has a target: its own PostgreSQL, salt,
    records of releases, and the manifest. What cannot be kept whole is not kept.
    """
    from modelwright.app.backups.keeping import wanted

    environment = _chosen(env)
    how = wanted(file, environment=environment, to=to, keep=keep, recipients=recipient or [], key=key)
    kept = _kept(file, environment, how)
    if as_json:
        facts(kept)
        return
    say(f"{kept.file}: {kept.size:,} bytes")
    if kept.elsewhere:
        say(f"    without the artifacts, which are kept in {kept.elsewhere}")
    if kept.left_out:
        say(f"    without the data of {', '.join(kept.left_out)}")
    for one in kept.removed:
        say(f"removed {one}")


def restore(
    archive: Annotated[
        str, typer.Argument(metavar="FILE", help="That `modelwright backup` has written; s3://bucket/key fetches it.")
    ],
    *,
    key: Annotated[Path, typer.Option(metavar="FILE", help="What opens it.")],
    file: File = MANIFEST,
    env: Env = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="On a target: in place of what its database holds, which is lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a site's state back where there is none, or an environment's on its target; all of it is read before.

    A site's manifest that is there stays as it is, otherwise the one of the backup is written. A target to which
    nothing was ever deployed gets its services and their data; deploy then.
    """
    from modelwright.app.backups.shelves import fetched
    from modelwright.app.manifest.load import artifacts_of
    from modelwright.app.sources.section import ArtifactsSection

    environment = _chosen(env)
    there = file.exists()
    section = artifacts_of(file, environment=environment) if there else ArtifactsSection()
    with fetched(archive, section=section) as found:
        restored = _restored(found, file, environment, key=key, overwrite=overwrite, quiet=as_json)
    if as_json:
        facts(restored)
        return
    made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(restored.at))
    say(f"{restored.project}, {restored.environment}, as of {made}: {restored.files} files")
    for note in restored.notes:
        say(f"! {note}")


def _kept(file: Path, environment: str, how: Wanted) -> Kept:
    """Of the site, or of the environment where it is."""
    import asyncio

    from modelwright.app.backups import deployed, journeys

    if deployed.is_deployed(file, environment=environment):
        return asyncio.run(deployed.make(file, environment=environment, how=how))
    return journeys.make(file, environment=environment, how=how)


def _restored(archive: Path, file: Path, environment: str, *, key: Path, overwrite: bool, quiet: bool) -> Restored:
    import asyncio
    import platform

    from modelwright.app.backups import deployed, journeys
    from modelwright.app.deploying.describing import from_manifest
    from modelwright.cli.changes import who_asks
    from modelwright.core.deploying.journal import Ended
    from modelwright.deploy.carrying import Author

    if not (file.exists() and deployed.is_deployed(file, environment=environment)):
        return journeys.put_back(archive, file, environment=environment, key=key)
    view = View(quiet=quiet)
    return asyncio.run(
        deployed.put_back(
            archive,
            file,
            environment=environment,
            key=key,
            overwrite=overwrite,
            describe=from_manifest(file, environment=environment, told=view.say),
            author=Author(who=who_asks(), where=platform.node(), why=WHY),
            tell=lambda entry: None if isinstance(entry, Ended) else view.hear(entry),
        )
    )


def _chosen(env: str | None) -> str:
    from modelwright.app.settings.settings import chosen_environment, process_environment

    return chosen_environment(env, process_environment())
