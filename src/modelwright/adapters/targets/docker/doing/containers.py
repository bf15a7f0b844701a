"""From the description of a workload to a container: how it is made, and one that runs by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from docker.errors import APIError, NotFound

from modelwright.adapters.targets.docker.environment import LOGS, Environment
from modelwright.adapters.targets.docker.images import Images
from modelwright.adapters.targets.docker.names import (
    DIGEST,
    INDEX,
    PEERS,
    RELEASE,
    WORKLOAD,
    aliases,
    links,
)
from modelwright.adapters.targets.docker.users import Users
from modelwright.adapters.targets.doing.ground import ONCE, Found, Standing, host_name
from modelwright.adapters.targets.folder.files import file_name
from modelwright.adapters.targets.kept import EVERYBODY
from modelwright.core.deploying.workloads import Mount, Workload, digest_of


class Containers:
    """Those of one environment."""

    def __init__(self, environment: Environment, images: Images, users: Users) -> None:
        self._environment = environment
        self._engine = environment.engine
        self._names = environment.names
        self._images = images
        self._users = users

    def name(self, workload: str, release: str = "", index: int | str = 0) -> str:
        return self._names.container(workload, release, index)

    def address(self, workload: Workload, release: str = "", index: int | str = 0) -> str:
        return f"{host_name(workload.name, release, index)}:{workload.port}"

    async def run(
        self,
        workload: Workload,
        release: str = "",
        *,
        index: int | str = 0,
        digest: str = "",
        peers: Mapping[str, str] | None = None,
    ) -> None:
        """As Instances says. Raises APIError."""
        name = self._names.container(workload.name, release, index)
        digest = digest or digest_of(workload)
        if await self.runs(workload, release, index=index, digest=digest):
            return
        await self.remove(name, grace=workload.grace)
        await self._images.claim(workload.name, workload.image)
        for mount in workload.mounts:
            if mount.volume:
                await self._environment.volume(mount.volume)
        api = await self._engine.api()
        first, second = self._networks(workload)
        config = await self._config(workload)
        config["Labels"] = {
            **self._names.labels,
            WORKLOAD: workload.name,
            RELEASE: release,
            INDEX: str(index),
            DIGEST: digest,
            PEERS: msgspec.json.encode(peers or {}, order="sorted").decode(),
        }
        if index == ONCE:
            config["Cmd"] = [*workload.before]
            config["HostConfig"] |= {"RestartPolicy": {"Name": "no"}, "PortBindings": {}}
        called = [] if index == ONCE else aliases(workload.name, release, index)
        endpoint = {"Aliases": called, "Links": [":".join(link) for link in links(peers or {})]}
        config["NetworkingConfig"] = {"EndpointsConfig": {first: endpoint}}
        await self._engine.call(api.create_container_from_config, config, name)
        if second:
            await self._engine.call(
                api.connect_container_to_network,
                name,
                second,
                aliases=called,
                links=links(peers or {}),
            )
        await self._engine.call(api.start, name)

    async def runs(self, workload: Workload, release: str = "", *, index: int | str = 0, digest: str = "") -> bool:
        """By just this description."""
        found = await self._inspected(self._names.container(workload.name, release, index))
        if found is None or found["Config"]["Labels"].get(DIGEST) != (digest or digest_of(workload)):
            return False
        return bool(found["State"]["Running"]) and not found["State"]["Restarting"]

    async def found(self, name: str) -> Found | None:
        found = await self._inspected(name)
        if found is None:
            return None
        state, restarts = found["State"], found.get("RestartCount", 0)
        over = state["Status"] in {"exited", "dead"}
        reason = "was out of memory" if state.get("OOMKilled") else f"ended with {state['ExitCode']}"
        return Found(status=state["ExitCode"] if over else None, restarts=restarts, reason=reason)

    async def standing(self) -> Sequence[Standing]:
        api = await self._engine.api()
        found = await self._engine.call(api.containers, all=True, filters=self._names.filters)
        return [_standing(one["Labels"], one["State"]) for one in found]

    async def _inspected(self, name: str) -> dict[str, Any] | None:
        """All that the engine knows of it."""
        api = await self._engine.api()
        try:
            return await self._engine.call(api.inspect_container, name)
        except NotFound:
            return None

    async def of(self, workload: str, release: str) -> list[str]:
        """Names of all that there are, stopped ones too."""
        api = await self._engine.api()
        labels = [*self._names.filters["label"], f"{WORKLOAD}={workload}", f"{RELEASE}={release}"]
        found = await self._engine.call(api.containers, all=True, filters={"label": labels})
        return sorted(one["Names"][0].removeprefix("/") for one in found)

    async def remove(self, name: str, *, grace: float) -> None:
        """As Instances says. Raises APIError."""
        api = await self._engine.api()
        try:
            await self._engine.call(api.stop, name, timeout=max(1, round(grace)))
            await self._engine.call(api.remove_container, name, force=True, v=False)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # somebody is removing it already
                raise

    async def said(self, name: str, lines: int = 20) -> str:
        """The last of what it has logged, whatever stands in it; empty when there is nothing."""
        api = await self._engine.api()
        try:
            found = await self._engine.call(api.logs, name, tail=lines)
        except APIError:
            return ""
        return found.decode("utf-8", "replace").strip()

    async def _config(self, workload: Workload) -> dict[str, Any]:
        """But for its labels and networks."""
        return {
            "Image": workload.image,
            **({"Cmd": [*workload.command]} if workload.command else {}),
            "Env": [f"{name}={value}" for name, value in sorted(workload.env.items())],
            "StopTimeout": max(1, round(workload.grace)),
            "ExposedPorts": {f"{port}/tcp": {} for port, _ in _published(workload)},
            "HostConfig": {
                "Init": True,
                "RestartPolicy": {"Name": "unless-stopped"},
                "SecurityOpt": ["no-new-privileges:true"],
                "LogConfig": LOGS,
                "NanoCpus": round(workload.cpu * 1e9),
                "Memory": workload.memory,
                "MemorySwap": workload.memory,
                "Mounts": [await self._mount(workload, mount) for mount in workload.mounts],
                "PortBindings": _bindings(workload),
                **({"DeviceRequests": [_gpus(workload.gpu)]} if workload.gpu else {}),
            },
        }

    async def _mount(self, workload: Workload, mount: Mount) -> dict[str, Any]:
        if mount.volume:
            source = self._names.volume(mount.volume)
            return {"Type": "volume", "Source": source, "Target": mount.path, "ReadOnly": not mount.writable}
        user = await self._users.of(workload.image) if mount.secret else EVERYBODY
        file = f"{await self._environment.state_place()}/files/{file_name(mount.digest, user)}"
        return {"Type": "bind", "Source": file, "Target": mount.path, "ReadOnly": True}

    def _networks(self, workload: Workload) -> tuple[str, str]:
        """A service is on the network that leads nowhere, the edge on the other one; what needs both is on both."""
        names = self._names
        if workload.kind == "service":
            return names.inner, names.network if workload.exposed or workload.outside else ""
        return names.network, "" if workload.kind == "edge" else names.inner


def _standing(labels: Mapping[str, str], state: str) -> Standing:
    return Standing(
        workload=labels.get(WORKLOAD, ""),
        release=labels.get(RELEASE, ""),
        index=labels.get(INDEX, "0"),
        digest=labels.get(DIGEST, ""),
        down=state not in {"running", "paused"},
    )


def _published(workload: Workload) -> list[tuple[int, tuple[str, str]]]:
    """Ports inside, with the address and the port of the host that lead there."""
    found = list[tuple[int, tuple[str, str]]]()
    for address in workload.publish:
        outside, _, inside = address.partition(">")
        host, _, port = outside.rpartition(":")
        found.append((int(inside or port), (host.strip("[]"), port)))
    return found


def _bindings(workload: Workload) -> dict[str, list[dict[str, str]]]:
    bindings = dict[str, list[dict[str, str]]]()
    for inside, (host, port) in _published(workload):
        bindings.setdefault(f"{inside}/tcp", []).append({"HostIp": host, "HostPort": port})
    return bindings


def _gpus(count: int) -> dict[str, Any]:
    return {"Driver": "nvidia", "Count": count, "Capabilities": [["gpu"]]}
