"""A manifest as a folder for Docker Compose, with all that its programs find there."""

from __future__ import annotations

import asyncio
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from modelwright.app.deploying.desired.build import desired
from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.prepare import Prepared, prepare
from modelwright.app.deploying.desired.values import GATEWAY
from modelwright.app.exporting.files import write
from modelwright.app.settings.own_secrets import read_or_create
from modelwright.core.deploying.workloads import Desired
from modelwright.core.errors.starting import StartError
from modelwright.deploy.exports.compose.folder import EXAMPLE, FILE, Piece, edge_file, pieces
from modelwright.deploy.exports.compose.text import compose, example

SECRETS = "secrets"
SALT = "salt"
"""Among the secrets: what passwords and keys of this folder are made from; with it, writing again makes the same."""
IGNORED = b"# Secrets and weights belong into no repository.\n/secrets/\n/weights/\n/.env\n"


async def render(
    manifest: Path, out: Path, *, environment: str | None, images: Path | None = None, force: bool = False
) -> str:
    """Write it; what was done, for a person. Raises ManifestError, DeployError, StartError."""
    prepared = await asyncio.to_thread(prepare, manifest, environment=environment)
    kept = out / SECRETS
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept.chmod(0o700)
    described, brought = desired(prepared, images=_images(prepared, images), salt=read_or_create(kept / SALT))
    return await write_folder(described, brought, out, force=force)


async def write_folder(described: Desired, brought: Brought, out: Path, *, force: bool = False) -> str:
    """As `render`, from a description."""
    texts = {FILE: compose(described).encode(), EXAMPLE: example(described).encode(), ".gitignore": IGNORED}
    place, _, text = edge_file(described)
    if place:
        texts[place] = text.encode()
    secrets: dict[str, bytes] = {}
    for piece in pieces(described).values():
        if piece.archive:
            await _unpack(piece, brought, out)
        else:
            content = b"".join([part async for part in brought.read(piece.digest)])
            (secrets if piece.secret else texts)[piece.path] = content
    told = write(texts, out, force=force)
    (out / SECRETS).mkdir(mode=0o700, exist_ok=True)
    (out / SECRETS).chmod(0o700)
    write(secrets, out, force=True)
    for name in secrets:
        (out / name).chmod(0o644)  # for whoever runs in the container; on the host the folder keeps others out
    return f"{told}\n{len(secrets)} secrets below {out / SECRETS}" if secrets else told


async def _unpack(piece: Piece, brought: Brought, out: Path) -> None:
    """Weights are there as a whole or not at all; those that are there are of the digest in their name."""
    folder = out / piece.path
    if await asyncio.to_thread(folder.exists):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix="."))
    try:
        with tempfile.TemporaryFile(dir=folder.parent) as archive:
            async for content in brought.read(piece.digest):
                archive.write(content)
            archive.seek(0)
            with tarfile.open(fileobj=archive) as members:
                members.extractall(part, filter="data")
        await asyncio.to_thread(part.chmod, 0o755)
        await asyncio.to_thread(part.rename, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _images(prepared: Prepared, file: Path | None) -> Mapping[str, str]:
    """By workload; those that nobody has packaged yet by the name that they would have."""
    manifest = prepared.loaded.manifest
    built = (GATEWAY, *(name for name, app in manifest.apps.items() if not app.image))
    named = {name: f"{manifest.name}/{name}:latest" for name in built}
    if file is None:
        return named
    try:
        told = json.loads(file.read_bytes())
        return named | {name: str(one["reference"]) for name, one in told.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        hint = "write it: modelwright package --json > images.json"
        raise StartError(f"{file} does not list images", hint=hint) from error
