"""`modelwright up`, from a manifest to a running site: check everything, bind everything, then start and watch."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from modelwright.app.manifest.load import LoadedManifest, load_manifest
from modelwright.app.manifest.rules.models import NOTHING
from modelwright.app.manifest.rules.operations import has_gateway
from modelwright.app.manifest.sections.models import in_versions
from modelwright.app.models.office import ModelOffice
from modelwright.app.parts import digests_of
from modelwright.app.pipelines.plan import files_of
from modelwright.app.plugins import TOKENIZE, require, require_engine, require_grpc
from modelwright.app.secret_stores.stores import SecretStores
from modelwright.app.settings.settings import Settings, process_environment, without_secrets
from modelwright.app.settings.shared_database import host_of
from modelwright.app.snapshot import worker_name
from modelwright.app.sources.located import Located
from modelwright.app.sources.reference import PATH, form_of
from modelwright.app.sources.sources import Sources
from modelwright.app.supervise.devices.doors import TcpDoor
from modelwright.app.supervise.devices.held_port import HeldPort
from modelwright.app.supervise.devices.runtime import Claim, claim
from modelwright.app.supervise.fleet.door import FleetDoor
from modelwright.app.supervise.fleet.shepherd import Shepherd
from modelwright.app.supervise.fleet.talk import FLEET
from modelwright.app.supervise.fleet.variables import only_of_models
from modelwright.app.supervise.plan import part_names
from modelwright.app.supervise.renewal.configuration import Configuration, configure
from modelwright.app.supervise.renewal.publishing import Publishing
from modelwright.app.supervise.renewal.renewal import Renewal
from modelwright.app.supervise.site import Audience, Site, Verdict
from modelwright.app.supervise.supervisor import STUCK, Supervisor
from modelwright.app.supervise.welcome.commands import Place, Shown
from modelwright.app.supervise.welcome.greeter import SiteGreeter
from modelwright.app.supervise.welcome.key import NAME
from modelwright.app.system import SystemClock
from modelwright.app.workers.upstream_tls import upstream_tls
from modelwright.core.addresses import split_address
from modelwright.core.contracts.snapshot import SERVING
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.errors.tree import Fault, ManifestError


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    manifest: Path
    environment: str
    port: int | None = None
    """Instead of the manifest's; 0 picks a free one."""
    admin_port: int | None = None
    grace: float = 30.0
    """Seconds that a drain may take."""
    stuck: float = STUCK
    """Seconds without an answer after which a process is killed and started again; 0: never."""
    to_files: bool = False
    """The workers write to `.modelwright/logs` instead of where we write."""
    version: str = ""
    place: Place
    watch: bool = True
    """Apply changes of the manifest while it runs."""


def bring_up(wish: Wish, audience: Audience) -> bool:
    """Run until told to stop; True when every process ended by itself.

    Everything that can be checked is checked before anything is started. Raises ManifestError, MissingExtra,
    AlreadyRunning, PortInUse and StartError; BadModelFile when no model can be served.
    """
    loaded = _loaded(wish)
    for warning in loaded.warnings:
        audience.said(f"warning: {warning}")
    _require_libraries(loaded)
    run_folder = process_environment().get("XDG_RUNTIME_DIR", "")
    held = claim(loaded.state_dir, part_names(loaded.manifest), run_folder=run_folder, say=audience.said)
    stores = SecretStores(held.runtime, clock=SystemClock(), say=audience.said)
    try:
        supervisor = _prepared(loaded, wish, held=held, audience=audience, stores=stores)
        by_itself = asyncio.run(supervisor.run())
    finally:
        stores.close()
        held.release()
    if supervisor.verdict is not None:
        raise _error(supervisor.verdict)
    return by_itself


def _loaded(wish: Wish) -> LoadedManifest:
    """Raises ManifestError, also for programs alone, which a target runs and we do not."""
    loaded = load_manifest(wish.manifest, environment=wish.environment)
    if not has_gateway(loaded.manifest):
        remedy = "add a section `models`, or run its programs on a target: modelwright deploy"
        raise ManifestError((Fault(path=str(wish.manifest), line=1, key="", problem=NOTHING, remedy=remedy),))
    return loaded


def _prepared(
    loaded: LoadedManifest, wish: Wish, *, held: Claim, audience: Audience, stores: SecretStores
) -> Supervisor:
    """A supervisor with every door bound and the snapshot for control written; nothing is started."""
    sources = _sources(loaded, held, audience)

    def configured(found: LoadedManifest, located: Mapping[str, Located]) -> Configuration:
        whole = _complete(found, located)
        return configure(whole, held, located=located, grace=wish.grace, secrets=stores.read(whole))

    def read() -> Configuration:
        again = _loaded(wish)
        _require_libraries(again)
        sources.hold(_in_use(supervisor, publishing.in_force))
        return configured(again, sources.anew(in_versions(again.manifest.models)))

    first = configured(loaded, sources.of(in_versions(loaded.manifest.models)))
    loaded = first.loaded
    first.write(held)
    supervisor = Supervisor(
        _site(first, wish, stores),
        held,
        public=_door(loaded.manifest.gateway.listen, wish.port, place="gateway.listen"),
        admin=_door(loaded.manifest.gateway.admin, wish.admin_port, place="gateway.admin"),
        grpc=_grpc_door(loaded.manifest.gateway.grpc),
        audience=audience,
        greeter=SiteGreeter(
            first.snapshot, _shown(loaded, first), claim=held, place=wish.place, key_name=_key_name(loaded)
        ),
        clock=SystemClock(),
        pid=os.getpid(),
        stuck=wish.stuck,
    )
    stores.say = sources.say = supervisor.say
    supervisor.beside(stores.run)
    publishing = Publishing(first, claim=held, site=supervisor)
    publishing.put(first)
    renewal = Renewal(publishing, read=read, site=supervisor)

    def in_use() -> set[str]:
        return _in_use(supervisor, publishing.in_force) | sources.wanted

    door = FleetDoor(held.runtime / FLEET, supervisor.fleet, follow=renewal.follow, in_use=in_use)
    _look_after(supervisor, publishing, door)
    if wish.watch:
        stores.moved = renewal.follow_secrets
        supervisor.beside(renewal.run)
    supervisor.open_doors()
    return supervisor


def _in_use(supervisor: Supervisor, in_force: Configuration) -> set[str]:
    """Digests of all that is loaded, coming or leaving, and of what may be loaded again."""
    specs = [unit.spec for unit in in_force.units] + [part.spec for part in supervisor.fleet.parts]
    return {digest for spec in specs for model in spec.models for digest in digests_of(model)}


def _require_libraries(loaded: LoadedManifest) -> None:
    """Raise MissingExtra unless everything that the manifest needs is installed, as far as that is known."""
    for kind in dict.fromkeys(filter(None, loaded.engines.values())):
        require_engine(kind)
    if any(files_of(loaded.manifest.models)):
        require(TOKENIZE)
    if loaded.manifest.gateway.grpc is not None:
        require_grpc()


def _site(first: Configuration, wish: Wish, stores: SecretStores) -> Site:
    loaded = first.loaded
    return Site(
        name=loaded.manifest.name,
        environment=loaded.environment,
        version=wish.version,
        specs=first.specs,
        units=first.units,
        off=first.off,
        remote=any(provider.kind != SERVING and not provider.off for provider in first.snapshot.providers),
        env=without_secrets(process_environment(), (*loaded.secrets, *loaded.credentials)),
        own_env=_without_credentials(loaded),
        secrets=stores.descriptor,
        machine=loaded.machine,
        logs=loaded.state_dir / "logs" if wish.to_files else None,
    )


def _sources(loaded: LoadedManifest, held: Claim, audience: Audience) -> Sources:
    office = ModelOffice(held.state, manifest=loaded.path, environment=loaded.environment)
    settings = Settings(loaded.base_dir, environment=loaded.environment)
    return Sources(
        held.state,
        loaded.base_dir,
        section=loaded.manifest.store.artifacts,
        look_up=office.show,
        tls=upstream_tls(settings, loaded.base_dir),
        say=audience.said,
    )


def _complete(loaded: LoadedManifest, located: Mapping[str, Located]) -> LoadedManifest:
    """With what is known of files that lay elsewhere; raises ManifestError for those that cannot be served."""
    here = {found.source: Path(found.path) for found in located.values() if form_of(found.source) != PATH}
    if not here or loaded.complete is None:
        return loaded
    whole = loaded.complete(here)
    _require_libraries(whole)
    return whole


def _look_after(supervisor: Supervisor, publishing: Publishing, door: FleetDoor) -> None:
    """What goes on beside the parts as long as they run, whether the manifest is watched or not."""
    supervisor.publisher = publishing.again
    supervisor.beside(publishing.run)
    supervisor.beside(Shepherd(supervisor.fleet, clock=SystemClock(), say=supervisor.say).run)
    supervisor.beside(door.run)


def _key_name(loaded: LoadedManifest) -> str:
    """Hosts that share a database must not take each other's for their own of an earlier run."""
    return f"{NAME}-{host_of(loaded.state_dir)[:8]}" if loaded.manifest.store.database else NAME


def _without_credentials(loaded: LoadedManifest) -> dict[str, str]:
    """What opens stores stays with the supervisor, unless the manifest names it as a secret, too; and what is of models
    alone goes to their processes alone.
    """
    hidden = {*loaded.credentials} - {*loaded.secrets} | only_of_models(loaded.manifest)
    return {name: value for name, value in process_environment().items() if name not in hidden}


def _shown(loaded: LoadedManifest, first: Configuration) -> list[Shown]:
    found: dict[str, Shown] = {}
    for unit in first.units:
        for model in unit.spec.models:
            shown = Shown(
                model=model.model, wire=model.wire, part=worker_name(unit.name, 0), check=loaded.check(model.model)
            )
            found.setdefault(model.model, shown)
    return list(found.values())


def _door(address: str, port: int | None, *, place: str) -> TcpDoor:
    host, own = split_address(address)
    return TcpDoor(place, host, own if port is None else port)


def _grpc_door(address: str | None) -> HeldPort | None:
    return HeldPort("gateway.grpc", *split_address(address)) if address is not None else None


def _error(verdict: Verdict) -> StartError:
    kind = BadModelFile if verdict.code == BadModelFile.code else StartError
    return kind(verdict.reason, hint="the logs tell more")
