"""Where every secret of a manifest comes from now, for a person who asks; nothing has to run for it."""

from __future__ import annotations

from modelwright.app.manifest.load import LoadedManifest
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
