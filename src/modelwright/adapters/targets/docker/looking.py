"""What runs on a Docker host of one environment, and what is known of it there; nothing is changed by a look."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from docker.errors import NotFound

from modelwright.adapters.targets.docker.environment import Environment
from modelwright.adapters.targets.docker.images import Images
from modelwright.adapters.targets.docker.names import (
    DIGEST,
    ENVIRONMENT,
    INDEX,
    PEERS,
    PROJECT,
    RELEASE,
    WORKLOAD,
)
from modelwright.adapters.targets.doing.ground import ONCE, host_name, missing
from modelwright.adapters.targets.kept import History
from modelwright.core.deploying.observed import Instance, Observed, Served, State, Stored

_STATES: Mapping[str, State] = {
    "running": "ready",
    "restarting": "failed",
    "dead": "failed",
    "paused": "stopped",
    "created": "stopped",
    "exited": "stopped",
    "removing": "stopped",
}


class DockerObserver:
    """Of one environment."""

    def __init__(self, environment: Environment, images: Images) -> None:
        self._environment = environment
        self._engine = environment.engine
        self._names = environment.names
        self._images = images

    async def observe(self) -> Observed:
        if not await self._environment.is_there():
            return Observed(images=await self._images.all(), gpus=await self._gpus())
        memory, images, volumes, instances, gpus = await asyncio.gather(
            self._environment.memory(), self._images.all(), self._volumes(), self._instances(), self._gpus()
        )
        ports = {work.name: work.port for one in reversed(memory.releases.values()) for work in one.workloads}
        full = {name: memory.volumes.get(name, "") for name in volumes}
        return Observed(
            instances=tuple(_with_port(one, ports) for one in instances),
            traffic=memory.front.shares,
            current=memory.current,
            releases=tuple(
                Stored(name=name, desired=desired, missing=missing(desired, images, full))
                for name, desired in memory.releases.items()
            ),
            images=images,
            volumes=full,
            salt=memory.salt,
            gpus=gpus,
            disk=memory.disk,
        )

    async def history(self) -> Sequence[Served]:
        if not await self._environment.is_there():
            return ()
        return await self._environment.ask(History(), tuple[Served, ...])

    async def _instances(self) -> list[Instance]:
        api = await self._engine.api()
        found = await self._engine.call(api.containers, all=True, filters=self._names.filters)
        mine = [one for one in found if one["Labels"].get(WORKLOAD) and one["Labels"].get(INDEX) != ONCE]
        looked = await asyncio.gather(*(self._inspected(one["Id"]) for one in mine))
        return [_instance(one) for one in sorted(filter(None, looked), key=lambda one: one["Name"])]

    async def _inspected(self, container: str) -> dict[str, Any] | None:
        api = await self._engine.api()
        try:
            return await self._engine.call(api.inspect_container, container)
        except NotFound:  # gone meanwhile
            return None

    async def _volumes(self) -> list[str]:
        """Only what was made for this environment: one that the engine has made up for a container is empty."""
        api = await self._engine.api()
        found = await self._engine.call(api.volumes, filters=self._names.filters)
        return sorted(one["Name"].removeprefix(f"{self._names.prefix}.") for one in found["Volumes"] or ())

    async def _gpus(self) -> int:
        """Devices that the engine tells of (since 28.2), less those that containers have, whoever's they are."""
        api = await self._engine.api()
        info = await self._engine.call(api.info)
        named = [one.get("ID", "") for one in info.get("DiscoveredDevices") or () if one.get("Source") == "cdi"]
        there = {one for one in named if one.startswith("nvidia.com/gpu=") and one.rpartition("=")[2].isdecimal()}
        if not there:
            return 0
        running = await self._engine.call(api.containers)
        looked = await asyncio.gather(*(self._inspected(one["Id"]) for one in running))
        wishes = (one["HostConfig"].get("DeviceRequests") or () for one in looked if one is not None)
        return max(0, len(there) - sum(max(0, wish.get("Count", 0)) for each in wishes for wish in each))


def _instance(found: dict[str, Any]) -> Instance:
    labels, state = found["Config"]["Labels"], found["State"]
    release = labels.get(RELEASE, "")
    health = (state.get("Health") or {}).get("Status", "")
    now = _STATES.get(state["Status"], "failed")
    return Instance(
        name=found["Name"].removeprefix(f"/{labels[PROJECT]}.{labels[ENVIRONMENT]}."),
        workload=labels[WORKLOAD],
        release=release,
        digest=labels.get(DIGEST, ""),
        state="starting" if now == "ready" and health == "starting" else now,
        restarts=found.get("RestartCount", 0),
        address=host_name(labels[WORKLOAD], release, labels.get(INDEX, "0")),
        index=int(labels.get(INDEX, "0")),
        peers=msgspec.json.decode(labels.get(PEERS, "{}"), type=dict[str, str]),
        image=found["Config"]["Image"],
        since=_seconds(state["StartedAt"]) if state["Running"] else 0.0,
    )


def _seconds(time: str) -> float:
    """Of the engine's own words, such as 2026-01-01T12:00:00.123456789Z."""
    return datetime.fromisoformat(f"{time[:19]}+00:00").timestamp()


def _with_port(instance: Instance, ports: Mapping[str, int]) -> Instance:
    port = ports.get(instance.workload, 0)
    return msgspec.structs.replace(instance, address=f"{instance.address}:{port}") if port else instance
