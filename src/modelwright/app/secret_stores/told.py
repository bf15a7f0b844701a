"""What the stores of a manifest hold now, for commands of a person; nothing has to run for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from modelwright.app.manifest.load import LoadedManifest, load_manifest
from modelwright.app.secret_stores.edit import Editor
from modelwright.app.secret_stores.reading import Reading, stores_of
from modelwright.app.settings.references import store_of
from modelwright.app.system import SystemClock
from modelwright.core.status import SecretStatus


def told(loaded: LoadedManifest) -> tuple[SecretStatus, ...]:
    """Those that the manifest names, then those that only an encrypted file holds. Raises StartError."""
    reading = Reading(loaded, stores_of(loaded))
    reading.refresh(SystemClock())
    found = reading.told()
    reading.close()
    files = [
        store.name
        for store in stores_of(loaded)
        if store.section.kind == "age" and store.name not in {one.name for one in reading.stores if one.trouble}
    ]
    return (*found, *_not_asked_for(loaded, files, named={store_of(secret.name)[1] for secret in found}))


def _not_asked_for(loaded: LoadedManifest, files: list[str], *, named: set[str]) -> list[SecretStatus]:
    return [
        SecretStatus(name=held, source=f"store {name}", trouble="the manifest does not name it")
        for name in files
        for held in Editor(loaded, name).names()
        if held not in named
    ]


def from_stores(manifest: Path, *, environment: str) -> Callable[[str], str | None]:
    """Looks secrets up in a manifest's stores, for a command beside no run; they are asked at the first question.

    What is returned raises ManifestError and StartError.
    """

    @cache
    def values() -> dict[str, str]:
        loaded = load_manifest(manifest, environment=environment)
        reading = Reading(loaded, stores_of(loaded))
        reading.refresh(SystemClock())
        reading.close()
        reading.demand()
        return reading.values()

    return lambda name: values().get(name)
