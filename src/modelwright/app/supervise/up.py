"""`modelwright up`, from a manifest to a running site: check everything, bind everything, then start and watch."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from modelwright.app.manifest.load import LoadedManifest, load_manifest
from modelwright.app.parts import PartSpec
from modelwright.app.plugins import require_engine
from modelwright.app.secret_files import salt
from modelwright.app.settings import process_environment
from modelwright.app.snapshot import base_snapshot, release_record
from modelwright.app.supervise.devices.doors import TcpDoor
from modelwright.app.supervise.devices.runtime import Claim, claim
from modelwright.app.supervise.digests import model_digests
from modelwright.app.supervise.plan import part_names, plan_parts
from modelwright.app.supervise.site import Audience, Site, Verdict
from modelwright.app.supervise.supervisor import Supervisor
from modelwright.app.supervise.welcome.commands import Place, Shown
from modelwright.app.supervise.welcome.greeter import SiteGreeter
from modelwright.app.system import SystemClock
from modelwright.app.whole_file import write_whole
from modelwright.core.addresses import split_address
from modelwright.core.contracts.release import release_digest
from modelwright.core.contracts.snapshot import SERVING, Snapshot
from modelwright.core.errors import BadModelFile, StartError
from modelwright.core.status import PartStatus


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    manifest: Path
    environment: str
    port: int | None = None
    """Instead of the manifest's; 0 picks a free one."""
    admin_port: int | None = None
    grace: float = 30.0
    """Seconds that a drain may take."""
    to_files: bool = False
    """The workers write to `.modelwright/logs` instead of where we write."""
    version: str = ""
    place: Place


def bring_up(wish: Wish, audience: Audience) -> bool:
    """Run until told to stop; True when every process ended by itself.

    Everything that can be checked is checked before anything is started. Raises ManifestError, MissingExtra,
    AlreadyRunning, PortInUse and StartError; BadModelFile when no model can be served.
    """
    loaded = load_manifest(wish.manifest, environment=wish.environment)
    for warning in loaded.warnings:
        audience.said(f"warning: {warning}")
    for kind in dict.fromkeys(loaded.engines.values()):
        require_engine(kind)
    run_folder = process_environment().get("XDG_RUNTIME_DIR", "")
    held = claim(loaded.state_dir, part_names(loaded.manifest), run_folder=run_folder, say=audience.said)
    try:
        supervisor = _prepared(loaded, wish, held=held, audience=audience)
        by_itself = asyncio.run(supervisor.run())
    finally:
        held.release()
    if supervisor.verdict is not None:
        raise _error(supervisor.verdict)
    return by_itself


def _prepared(loaded: LoadedManifest, wish: Wish, *, held: Claim, audience: Audience) -> Supervisor:
    """A supervisor with every door bound and the snapshot for control written; nothing is started."""
    sources = {model: loaded.source(model) for model in loaded.manifest.models}
    release = release_record(loaded, model_digests(held.state, sources))
    digest = release_digest(release)
    snapshot = base_snapshot(loaded, runtime=held.runtime, release=digest, salt=salt(held.state))
    specs = _specs(loaded, wish, held=held, release=snapshot.release)
    write_whole(held.runtime / "base.json", msgspec.json.encode(snapshot))
    _keep_release(loaded.state_dir, snapshot.release, msgspec.json.encode(release))
    supervisor = Supervisor(
        Site(
            name=loaded.manifest.name,
            environment=loaded.environment,
            version=wish.version,
            specs=specs,
            off=_off(snapshot),
            remote=any(provider.kind != SERVING and not provider.off for provider in snapshot.providers),
            logs=loaded.state_dir / "logs" if wish.to_files else None,
        ),
        held,
        public=_door(loaded.manifest.gateway.listen, wish.port, place="gateway.listen"),
        admin=_door(loaded.manifest.gateway.admin, wish.admin_port, place="gateway.admin"),
        audience=audience,
        greeter=SiteGreeter(snapshot, _shown(loaded, specs), claim=held, place=wish.place),
        clock=SystemClock(),
        pid=os.getpid(),
    )
    supervisor.open_doors()
    return supervisor


def _specs(loaded: LoadedManifest, wish: Wish, *, held: Claim, release: str) -> tuple[PartSpec, ...]:
    common = PartSpec(
        name="",
        kind="",
        runtime=str(held.runtime),
        state=str(held.state),
        base=str(loaded.base_dir),
        environment=loaded.environment,
        grace=wish.grace,
        release=release,
        log_level=loaded.manifest.observe.log.level,
    )
    checks = {model: path.read_text("utf-8") for model in loaded.manifest.models if (path := loaded.check(model))}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return plan_parts(loaded, common=common, cores=cores, checks=checks)


def _shown(loaded: LoadedManifest, specs: tuple[PartSpec, ...]) -> list[Shown]:
    wires = {spec.model.model: spec.model.wire for spec in specs if spec.model}
    return [Shown(model=model, wire=wire, check=path) for model, wire in wires.items() if (path := loaded.check(model))]


def _off(snapshot: Snapshot) -> tuple[PartStatus, ...]:
    return tuple(
        PartStatus(name=provider.name, kind="provider", state="off", detail=provider.off)
        for provider in snapshot.providers
        if provider.off
    )


def _door(address: str, port: int | None, *, place: str) -> TcpDoor:
    host, own = split_address(address)
    return TcpDoor(place, host, own if port is None else port)


def _keep_release(state: Path, digest: str, content: bytes) -> None:
    """A release is immutable and named by its content: written once."""
    file = state / "releases" / f"{digest.partition(':')[2]}.json"
    if not file.exists():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(file, content)


def _error(verdict: Verdict) -> StartError:
    kind = BadModelFile if verdict.code == BadModelFile.code else StartError
    return kind(verdict.reason, hint="the logs tell more")
