"""Asks for the certificates that routes want by ACME, before those that are there end; the edge shows the proofs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from modelwright.adapters.edges.acme import Order, ends, new_account
from modelwright.adapters.edges.files import write
from modelwright.app.deploying.edges import CERTIFICATES, SHOWN, StandingEdge, certificates_in
from modelwright.core.deploying.workloads import Tls
from modelwright.core.errors.deploying import CertificateRefused

EARLY = 30 * 86_400.0
"""Seconds before its end from which on a certificate is asked for anew."""
_ACCOUNT = "acme.pem"


async def renew(
    edge: StandingEdge,
    *,
    folder: Path,
    state: Path,
    now: float,
    but: Collection[str] = (),
    trusting: Path | None = None,
) -> Mapping[str, str]:
    """By host: what is wrong; empty for those that have a new one. Whoever needs none or stands in `but` is not named.

    `folder` is the edge's, `state` keeps the account's key; `trusting` holds authorities in whose name the ACME
    server itself may speak, beside those of the system.
    """
    wanted = {one.host: one.tls for one in edge.front.routes if one.tls and one.host and not one.tls.certificate}
    if not {*wanted} - {*but}:
        return {}
    until = await asyncio.to_thread(_ends, folder)
    due = {host: tls for host, tls in wanted.items() if host not in but and until.get(host, 0.0) < now + EARLY}
    return {
        host: await _renewed(edge, host, tls, folder=folder, state=state, trusting=trusting)
        for host, tls in due.items()
    }


async def _renewed(edge: StandingEdge, host: str, tls: Tls, *, folder: Path, state: Path, trusting: Path | None) -> str:
    shown = _open(folder / SHOWN)
    try:
        account = await asyncio.to_thread(_account, state / _ACCOUNT)
        order = await asyncio.to_thread(
            Order, host, directory=tls.directory, mail=tls.acme, account=account, trusting=trusting
        )
        try:
            for name, text in order.proofs.items():
                write(shown / name, text)
            await edge.again()
            both = await asyncio.to_thread(order.finish)
        finally:
            for name in order.proofs:
                (shown / name).unlink(missing_ok=True)
        _keep(folder, host, both)
    except CertificateRefused as error:
        return str(error)
    finally:
        await edge.again()
    return ""


def _ends(folder: Path) -> dict[str, float]:
    return {host: ends(Path(path).read_bytes()) for host, path in certificates_in(folder).items()}


def _account(path: Path) -> bytes:
    if not path.exists():
        write(path, new_account().decode())
        path.chmod(0o600)
    return path.read_bytes()


def _keep(folder: Path, host: str, both: bytes) -> None:
    """Under a name of its own, so that the edge sees that it is another one; that of before stays until the next."""
    certificates = _open(folder / CERTIFICATES)
    before = certificates_in(folder).get(host, "")
    write(certificates / f"{host}.{hashlib.sha256(both).hexdigest()[:12]}.pem", both.decode())
    for path in certificates.glob("*.pem"):
        if path.name.rsplit(".", 2)[0] == host and str(path) not in {before, certificates_in(folder)[host]}:
            path.unlink()


def _open(folder: Path) -> Path:
    """The edge, which may be another user, can look into it."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    return folder
