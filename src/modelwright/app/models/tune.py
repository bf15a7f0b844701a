"""Measures a model of the manifest with several threads and rows, in a worker of its own, while no site has to run."""

from __future__ import annotations

import asyncio
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from modelwright.app.manifest.load import LoadedManifest, load_manifest
from modelwright.app.manifest.sections.models import in_versions
from modelwright.app.models.office import ModelOffice
from modelwright.app.parts import Notice, PartSpec
from modelwright.app.plugins import PIPELINE, PYTHON, engine_row, require_engine
from modelwright.app.settings.settings import Settings, process_environment, without_secrets
from modelwright.app.sources.sources import Sources
from modelwright.app.supervise.budget import with_heap, within_budget
from modelwright.app.supervise.devices.child import Ears, start_child, worker_command
from modelwright.app.supervise.fleet.variables import given_to, without_variables
from modelwright.app.supervise.plan import plan_units
from modelwright.app.whole_file import write_whole
from modelwright.app.wiring.tuning import FOLDER
from modelwright.app.workers.upstream_tls import upstream_tls
from modelwright.core.errors.starting import StartError
from modelwright.serving.tuning import Tuned


def tune_alone(file: Path, name: str, *, environment: str, say: Callable[[str], None]) -> Tuned:
    """What was measured; kept for `batching.tune: auto`.

    Raises ManifestError, RegistryError, ArtifactError, StartError and OSError.
    """
    loaded = load_manifest(file, environment=environment)
    loaded.state_dir.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mw-tune-") as folder:
        spec = _spec(loaded, name, Path(folder), say=say)
        asyncio.run(_run(spec, loaded, Path(folder)))
        kept = next((Path(folder) / FOLDER).glob("*.json"), None)
        if kept is None:
            raise StartError("nothing was measured", hint="name a model that has a file", place=f"models.{name}")
        content = kept.read_bytes()
        (loaded.state_dir / FOLDER).mkdir(mode=0o700, exist_ok=True)
        write_whole(loaded.state_dir / FOLDER / kept.name, content)
    return msgspec.json.decode(content, type=Tuned)


def _spec(loaded: LoadedManifest, name: str, folder: Path, *, say: Callable[[str], None]) -> PartSpec:
    """A worker's, as the site would have it, but with a state folder that recalls nothing."""
    known = in_versions(loaded.manifest.models)
    place, kind = f"models.{name}", loaded.engines.get(name, "")
    if name not in known:
        raise StartError(f"there is no model {name!r}", hint=f"there is {', '.join(known) or 'none'}")
    if kind == PIPELINE or (kind and not kind.startswith(PYTHON) and engine_row(kind).wire != "v2"):
        raise StartError(f"{kind} has no threads and rows to try", hint="name a tensor model", place=place)
    settings = Settings(loaded.base_dir, environment=loaded.environment)
    office = ModelOffice(loaded.state_dir, manifest=loaded.path, environment=loaded.environment)
    tls, section = upstream_tls(settings, loaded.base_dir), loaded.manifest.store.artifacts
    sources = Sources(loaded.state_dir, loaded.base_dir, section=section, look_up=office.show, tls=tls, say=say)
    located = sources.of({name: known[name]})
    if not kind and loaded.complete is not None:
        loaded = loaded.complete({one.source: Path(one.path) for one in located.values()})
    require_engine(loaded.engines[name])
    common = PartSpec(
        name=f"tune-{name}", kind="serving", runtime=str(folder), state=str(folder), base=str(loaded.base_dir),
        environment=loaded.environment,
    )  # fmt: skip
    check = loaded.check(name)
    units = plan_units(
        loaded,
        common=common,
        cores=loaded.machine.threads,
        checks={name: check.read_text("utf-8")} if check else {},
        located=located,
        resolve=settings.resolve,
    )
    parts = [part for unit in units for part in unit.spec.models if name in {unit.name, part.model}]
    if not parts:
        raise StartError("is a step of a pipeline, with no process of its own", hint="serve it, too", place=place)
    return msgspec.structs.replace(common, model=msgspec.structs.replace(parts[0], tune=True))


async def _run(spec: PartSpec, loaded: LoadedManifest, folder: Path) -> None:
    """Until the worker is ready, which it is when it has tried everything; raises StartError when it cannot be."""
    told: asyncio.Queue[Notice] = asyncio.Queue()
    ears = Ears(told.put_nowait)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(folder / "own.sock"))
    door.listen()
    whole = msgspec.structs.replace(spec, sockets={"own": door.fileno()}, notify=ears.mouth)
    write_whole(folder / "spec.json", msgspec.json.encode(without_variables(whole)))
    env = without_secrets(process_environment(), (*loaded.secrets, *loaded.credentials))
    env = {**within_budget(with_heap(env), spec.model.threads if spec.model else 1), **given_to(spec)}
    inherit, log = (door.fileno(), ears.mouth), folder / "log"
    command = worker_command(spec, folder / "spec.json")
    child = await start_child(command, ears=ears, inherit=inherit, env=env, log=log)
    door.close()
    ended = asyncio.create_task(child.wait())
    try:
        while True:
            notice = asyncio.create_task(told.get())
            await asyncio.wait((notice, ended), return_when=asyncio.FIRST_COMPLETED)
            if not notice.done() or notice.result().state == "failed":
                words = f"its process ended: {log.read_text('utf-8', 'replace')[-500:]}"
                detail = notice.result().detail if notice.done() else words
                raise StartError(detail, hint="see to the model first: modelwright up")
            if notice.result().state == "ready":
                return
    finally:
        child.send(signal.SIGTERM)
        await ended
