"""From the description of a workload to a process: how it is started, and one that runs by it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from modelwright.adapters.targets.doing.ground import ONCE, Found, Standing
from modelwright.adapters.targets.folder.files import file_name
from modelwright.adapters.targets.kept import EVERYBODY, KeptLeases
from modelwright.adapters.targets.local.environment import EDGE, FILES, INSTANCES, STATE, Environment
from modelwright.adapters.targets.local.stock import LocalStock
from modelwright.adapters.targets.processes import Begin, End, Process, Processes, Running, Said
from modelwright.core.addresses import join_address, split_address
from modelwright.core.deploying.edges import haproxy_command, nginx_command
from modelwright.core.deploying.places import SOURCES, VARIABLES, port_of
from modelwright.core.deploying.workloads import Mount, Workload, digest_of

_PORTS = {"gateway": ("PORT", "ADMIN_PORT", "GRPC_PORT"), "app": ("PORT",)}
"""By kind: variables that say on which ports an instance has to listen."""
_NOWHERE = "9"
"""A port where nobody answers: of a workload that does not run."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


class LocalInstances:
    """Those of one environment, under the lease that `leases` has got."""

    def __init__(self, environment: Environment, stock: LocalStock, leases: KeptLeases) -> None:
        self._environment = environment
        self._stock = stock
        self._leases = leases
        self._seen: dict[str, Running] = {}

    def name(self, workload: str, release: str = "", index: int | str = 0) -> str:
        return f"{workload}.{release}.{index}" if release else workload

    def address(self, workload: Workload, release: str = "", index: int | str = 0) -> str:
        found = self._seen.get(self.name(workload.name, release, index))
        return found.address if found is not None else f"127.0.0.1:{_NOWHERE}"

    async def run(
        self,
        workload: Workload,
        release: str = "",
        *,
        index: int | str = 0,
        digest: str = "",
        peers: Mapping[str, str] | None = None,
    ) -> None:
        """As Instances says. Raises StepFailed."""
        digest = digest or digest_of(workload)
        if await self.runs(workload, release, index=index, digest=digest):
            return
        process = await self._described(workload, release, index=index, digest=digest, peers=peers or {})
        await self._environment.ask(Begin(epoch=self._leases.epoch, process=process), type(None))

    async def runs(self, workload: Workload, release: str = "", *, index: int | str = 0, digest: str = "") -> bool:
        found = (await self.all()).get(self.name(workload.name, release, index))
        return found is not None and found.pid > 0 and found.process.digest == (digest or digest_of(workload))

    async def found(self, name: str) -> Found | None:
        found = (await self.all()).get(name)
        if found is None:
            return None
        status = found.status if found.process.once and not found.pid else None
        return Found(status=status, restarts=found.restarts, reason=f"ended with {_told(found.status)}")

    async def of(self, workload: str, release: str) -> list[str]:
        found = (await self.all()).items()
        return [name for name, one in found if (one.process.workload, one.process.release) == (workload, release)]

    async def standing(self) -> Sequence[Standing]:
        return [
            Standing(
                workload=one.process.workload,
                release=one.process.release,
                index=one.process.index,
                digest=one.process.digest,
                down=not one.pid,
                address=one.address,
            )
            for one in (await self.all()).values()
        ]

    async def remove(self, name: str, *, grace: float) -> None:
        """As Instances says."""
        await self._environment.ask(End(epoch=self._leases.epoch, name=name, grace=grace), type(None))

    async def said(self, name: str, lines: int = 20) -> str:
        return await self._environment.ask(Said(name=name, lines=lines), str)

    async def all(self) -> dict[str, Running]:
        """By name, as they are now."""
        found = await self._environment.ask(Processes(), tuple[Running, ...])
        self._seen = {one.process.name: one for one in found}
        return self._seen

    async def _described(
        self, workload: Workload, release: str, *, index: int | str, digest: str, peers: Mapping[str, str]
    ) -> Process:
        name, once = self.name(workload.name, release, index), index == ONCE
        folder = self._environment.folder / INSTANCES / name
        places = {mount.path: f"{folder}{mount.path}" for mount in workload.mounts}
        command = workload.before if once else self._command(workload)
        sources = [one.volume for one in workload.mounts if one.path == SOURCES]
        return Process(
            name=name,
            workload=workload.name,
            release=release,
            index=str(index),
            digest=digest,
            peers=dict(peers),
            command=tuple(places.get(word, word) for word in command),
            env={name: places.get(value, value) for name, value in sorted(workload.env.items())},
            secrets={path.rpartition("/")[2]: at for path, at in places.items() if path.startswith(f"{VARIABLES}/")},
            fills=await self._fills(workload, index=index, peers=peers),
            ports=_PORTS.get(workload.kind, ()) if workload.port and not once else (),
            address="" if not workload.publish else _reached(workload),
            files={one.path.lstrip("/"): await self._source(workload, one) for one in workload.mounts if one.digest},
            folder=str(self._environment.volume(sources[0])) if sources else "",
            grace=workload.grace,
            once=once,
        )

    def _command(self, workload: Workload) -> tuple[str, ...]:
        match workload.kind, workload.command:
            case "edge", _:
                folder = str(self._environment.ask.runtime / EDGE)
                return haproxy_command(folder) if workload.image == "haproxy" else nginx_command(folder)
            case "gateway", ("modelwright", *rest):
                return (sys.executable, "-m", "modelwright", *rest)
            case _:
                return workload.command

    async def _source(self, workload: Workload, mount: Mount) -> str:
        if mount.volume:
            return str(self._environment.volume(mount.volume))
        user = await self._stock.user(workload.image) if mount.secret else EVERYBODY
        return str(self._environment.folder / STATE / FILES / file_name(mount.digest, user))

    async def _fills(self, workload: Workload, *, index: int | str, peers: Mapping[str, str]) -> dict[str, str]:
        """Ports of those that it reaches: of the release that it is bound to, else of any."""
        fills: dict[str, str] = {}
        running = await self.all()
        for name in workload.after:
            known = [one for one in running.values() if one.process.workload == name and one.ports]
            bound = [one for one in known if one.process.release == peers.get(name)] or known[-1:]
            number = int(index) if str(index).isdecimal() else 0
            port = str(next(iter(bound[number % len(bound)].ports.values()))) if bound else _NOWHERE
            fills[port_of(name)] = port
        return fills


def _reached(workload: Workload) -> str:
    host, port = split_address(workload.publish[0].partition(">")[0])
    return join_address(_ANYWHERE.get(host, host), port)


def _told(status: int | None) -> str:
    return "an unknown status" if status is None else str(status)
