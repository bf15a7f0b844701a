"""Makes the store that a section describes; a vendor's library is imported only when its kind is chosen."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from modelwright.app.manifest.secret import Secret
from modelwright.app.secret_stores.section import SecretStoreSection
from modelwright.core.ports.stores import SecretStore


def open_store(section: SecretStoreSection, base: Path) -> SecretStore:
    """`base` is the manifest's directory. Raises StartError."""
    library = import_module(f"modelwright.adapters.secrets.{section.kind}")
    return library.AgeFile(base / section.source, identity=_plain(section.identity))


def _plain(secret: Secret | None) -> str:
    return "" if secret is None else secret.reveal()
