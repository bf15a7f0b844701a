"""Makes the store that a section describes; a vendor's library is imported only when its kind is chosen."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import Any, assert_never

from modelwright.app.manifest.secret import Secret
from modelwright.app.secret_stores.section import SecretStoreSection
from modelwright.core.errors.starting import MissingExtra
from modelwright.core.ports.stores import SecretStore
from modelwright.core.quantities import parse_duration


def open_store(section: SecretStoreSection, base: Path) -> SecretStore:
    """`base` is the manifest's directory. Raises StartError."""
    try:
        library = import_module(f"modelwright.adapters.secrets.{section.kind}")
    except ImportError as error:
        hint = f"pip install 'modelwright[{section.kind}]'"
        raise MissingExtra(
            f"a store of kind {section.kind} needs {error.name}, which is not installed", hint=hint
        ) from None
    match section.kind:
        case "age":
            return library.AgeFile(base / section.source, identity=_plain(section.identity))
        case "vault":
            return library.Vault(_place(library, section, base), _way(library, section), monotonic=time.monotonic)
        case "aws":
            return _aws(library, section, base)
        case _:
            assert_never(section.kind)


def _aws(library: Any, section: SecretStoreSection, base: Path) -> SecretStore:
    place = library.Place(
        region=section.region,
        prefix=section.prefix,
        endpoint=section.endpoint,
        ca=str(base / section.ca) if section.ca else "",
        timeout=parse_duration(section.timeout),
    )
    key = section.key
    if key is None:
        return library.SecretsManager(place, None)
    return library.SecretsManager(place, library.Key(id=key.id, secret=_plain(key.secret), session=_plain(key.session)))


def _place(library: Any, section: SecretStoreSection, base: Path) -> Any:
    return library.Place(
        address=section.address,
        mount=section.mount,
        path=section.path,
        namespace=section.namespace,
        ca=str(base / section.ca) if section.ca else "",
        timeout=parse_duration(section.timeout),
    )


def _way(library: Any, section: SecretStoreSection) -> Any:
    auth = section.auth
    if auth is not None and auth.approle is not None:
        role = auth.approle
        return library.AppRole(role.role_id, _plain(role.secret_id), role.mount)
    if auth is not None and auth.kubernetes is not None:
        account = auth.kubernetes
        return library.Kubernetes(account.role, account.token_file, account.mount)
    return library.Token(_plain(auth.token if auth is not None else None))


def _plain(secret: Secret | None) -> str:
    return "" if secret is None else secret.reveal()
