"""How a connection to PostgreSQL is encrypted, by libpq's words (sslmode, sslrootcert, sslcert, sslkey)."""

from __future__ import annotations

import ssl
from pathlib import Path

from modelwright.adapters.stores.postgres_address import PLACE, Address
from modelwright.core.errors.starting import StartError


def tls_of(address: Address, base: str) -> ssl.SSLContext | str | bool:
    """What asyncpg takes. Raises StartError for a file that cannot be used; a relative one is one from `base`.

    `require` encrypts and believes any certificate, unless authorities are named, as libpq does. `verify-ca` and
    `verify-full` believe the named authorities, otherwise the system's.
    """
    authorities = address.files.get("sslrootcert", "")
    if address.mode in {"disable", "allow", "prefer"}:
        return address.mode if address.mode != "disable" else False
    context = ssl.create_default_context()
    context.check_hostname = address.mode == "verify-full"
    if address.mode == "require" and not authorities:
        context.verify_mode = ssl.CERT_NONE
    if authorities and authorities != "system":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = address.mode == "verify-full"
        _use("sslrootcert", Path(base, authorities), lambda path: context.load_verify_locations(cafile=path))
    if "sslcert" in address.files:
        key = address.files.get("sslkey")
        own = str(Path(base, key)) if key else None
        _use("sslcert", Path(base, address.files["sslcert"]), lambda path: context.load_cert_chain(path, own))
    return context


def _use(name: str, path: Path, load: object) -> None:
    try:
        load(str(path))  # type: ignore[operator] - one of the two above
    except OSError as error:
        reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        hint = f"name a PEM file as {name}"
        raise StartError(f"{path} cannot be used: {reason}", hint=hint, place=PLACE) from error
