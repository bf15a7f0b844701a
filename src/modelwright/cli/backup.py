"""`modelwright backup` and `modelwright restore`: all state of a site in one encrypted file, and back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Option("--file", "-f", help="The manifest.")]
Environment = Annotated[
    str | None, typer.Option("--env", help="Environment: development, test or production.", metavar="NAME")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print facts for programs.")]
MANIFEST = Path("modelwright.yaml")


def backup(
    *,
    file: File = MANIFEST,
    env: Environment = None,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder that it is kept in.")] = Path("backups"),
    recipient: Annotated[
        list[str] | None, typer.Option(metavar="age1…", help="Who may open it; may be given several times.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead, a key that is here; its owner may open it.")
    ] = None,
    keep: Annotated[int, typer.Option(min=0, metavar="N", help="Remove older ones there but for N; 0: none.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Keep a site's state in one encrypted file, also while it runs.

    Database (a file, or PostgreSQL by pg_dump), ledger rows on their way there, registry, keys, salt and pepper, and
    the manifest. What cannot be kept whole is not kept.
    """
    from modelwright.app.backups.journeys import make

    kept = make(file, environment=_chosen(env), to=to, recipients=recipient or [], key=key, keep=keep)
    if as_json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(kept), indent=2, ensure_ascii=False))
        return
    print(f"{kept.file}: {kept.size:,} bytes")
    if kept.elsewhere:
        print(f"    without the artifacts, which are kept in {kept.elsewhere}")
    for one in kept.removed:
        print(f"removed {one}")


def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="That `modelwright backup` has written.")],
    *,
    key: Annotated[Path, typer.Option(metavar="FILE", help="What opens it.")],
    file: File = MANIFEST,
    env: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Put a site's state back where there is none; all of it is read and compared before anything is put in place.

    A manifest that is there stays as it is, otherwise the one of the backup is written.
    """
    from modelwright.app.backups.journeys import put_back

    found = put_back(archive, file, environment=_chosen(env), key=key)
    if as_json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
        return
    made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(found.at))
    print(f"{found.project}, {found.environment}, as of {made}: {found.files} files")


def _chosen(env: str | None) -> str:
    from modelwright.app.settings.settings import chosen_environment, process_environment

    return chosen_environment(env, process_environment())
