"""What an environment has on a host before anything runs in it: networks, volumes, and its keeper."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ParamSpec

import msgspec
from docker.errors import APIError, NotFound

from modelwright.adapters.targets.docker.engine import Engine, failed
from modelwright.adapters.targets.docker.images import Images
from modelwright.adapters.targets.docker.names import (
    DIGEST,
    INDEX,
    PEERS,
    RELEASE,
    STATE,
    WORKLOAD,
    Names,
    aliases,
    links,
)
from modelwright.adapters.targets.docker.session import Session
from modelwright.adapters.targets.doing.ground import ONCE
from modelwright.adapters.targets.kept import Look, Memory
from modelwright.core.deploying.front import EDGE_FOLDER, EDGE_VOLUME
from modelwright.core.deploying.places import INSTANCES_FOLDER, INSTANCES_VOLUME
from modelwright.core.errors.deploying import KeeperLost

STATE_FOLDER = "/state"
KEEPER = ("python", "-m", "modelwright.app.keeper")
LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
P = ParamSpec("P")
_TRIES = 20
_ABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
"""Of its user, root: files of secrets belong to the users of the instances that read them."""


class Environment:
    """That of one project on one engine."""

    def __init__(self, engine: Engine, names: Names, *, images: Images, keeper: str, first: bool = True) -> None:
        """`keeper`: the image that it runs from. On those of several hosts that are not the `first` one it keeps files
        alone, and networks are those of the first one.
        """
        self._first = first
        self.engine = engine
        self.names = names
        self._images = images
        self._keeper = keeper
        self.ask = Session(engine, names.keeper)
        self._place = ""

    def keep_by(self, image: str) -> None:
        """Keepers run from this image from now on."""
        self._keeper = image

    async def prepare(self) -> None:
        """Make what is not there; whoever does it at the same time does no harm. Raises StepFailed."""
        await self._images.bring(self._keeper)
        try:
            await self._images.claim_keeper(self._keeper)
        except APIError as error:
            raise failed(f"the keeper of {self.names.prefix} cannot be started", error) from error
        await self._build()

    async def _build(self) -> None:
        for more in range(_TRIES, -1, -1):
            try:
                await self._made()
            except APIError as error:
                if not more or "ambiguous" not in str(error.explanation):
                    raise failed(f"the keeper of {self.names.prefix} cannot be started", error) from error
                await asyncio.sleep(0.2)  # somebody else is making the same networks
            else:
                return

    async def _made(self) -> None:
        api = await self.engine.api()
        if self._first:
            await self._networks()
            await self._over()
        for volume in (STATE, EDGE_VOLUME, INSTANCES_VOLUME):
            await self.volume(volume)
        found = await self.engine.call(api.inspect_image, self._keeper)
        await self._keeping(self._described(found["Id"]))

    async def is_there(self) -> bool:
        """Whether anything was ever done here. Raises KeeperLost when nobody can say what."""
        api = await self.engine.api()
        try:
            found = await self.engine.call(api.inspect_container, self.names.keeper)
        except NotFound:
            return await self._come_back()
        if not found["State"]["Running"]:
            await self.engine.call(api.start, self.names.keeper)
        return True

    async def _come_back(self) -> bool:
        """A keeper that somebody has removed: what it has kept is in its volume."""
        api, volume = await self.engine.api(), self.names.volume(STATE)
        found = await self.engine.call(api.volumes, filters=self.names.filters)
        if not any(one["Name"] == volume for one in found["Volumes"] or ()):
            return False
        if not await self._images.is_there(self.names.keeper_image):
            raise KeeperLost(
                f"the keeper of {self.names.prefix} is gone, and so is its image; the volume {volume} has its memory",
                hint="deploy: that brings the image, and all that was there is known again",
                place=self.engine.host,
            )
        self._keeper = self.names.keeper_image
        await self._build()
        return True

    async def memory(self) -> Memory:
        """All that is remembered."""
        return await self.ask(Look(), Memory)

    async def volume(self, name: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One that is there from now on, if it was not."""
        api = await self.engine.api()
        return await self.engine.call(
            api.create_volume, self.names.volume(name), labels={**self.names.labels, **(labels or {})}
        )

    async def state_place(self) -> str:
        """Folder of the environment's memory on the host itself."""
        if not self._place:
            self._place = (await self.volume(STATE))["Mountpoint"]
        return self._place

    async def _networks(self) -> None:
        """One of each name: engines make several when they are asked at the same time, and then nobody can join."""
        api = await self.engine.api()
        for name in (self.names.network, self.names.inner):
            if not await self._called(name):
                await self._unless_there(
                    api.create_network,
                    name,
                    driver="overlay" if self.names.spread else "bridge",
                    attachable=self.names.spread,
                    check_duplicate=True,
                    internal=name == self.names.inner,
                    labels=self.names.labels,
                )
            for other in (await self._called(name))[1:]:
                with suppress(APIError):  # somebody else was quicker
                    await self.engine.call(api.remove_network, other)

    async def _over(self) -> None:
        """What was on one host, and is on several now, or the other way round, is on the networks of now, too."""
        api, was = await self.engine.api(), self.names.otherwise
        for one in await self.engine.call(api.containers, all=True, filters=self.names.filters):
            labels, on = one["Labels"], one["NetworkSettings"]["Networks"]
            workload, release, index = (labels.get(name, "") for name in (WORKLOAD, RELEASE, INDEX))
            for before, network in ((was.network, self.names.network), (was.inner, self.names.inner)):
                if workload and index != ONCE and before in on and network not in on:
                    peers = msgspec.json.decode(labels.get(PEERS, "{}"), type=dict[str, str])
                    called = aliases(workload, release, index)
                    await self.engine.call(
                        api.connect_container_to_network, one["Id"], network, aliases=called, links=links(peers)
                    )

    async def _called(self, name: str) -> list[str]:
        """Networks of ours by that name, the oldest first."""
        api = await self.engine.api()
        found = await self.engine.call(api.networks, filters=self.names.filters)
        return [one["Id"] for one in sorted(found, key=lambda one: (one["Created"], one["Id"])) if one["Name"] == name]

    async def _unless_there(self, verb: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Make something that somebody else may have made meanwhile."""
        try:
            await self.engine.call(verb, *args, **kwargs)
        except APIError as error:
            if error.status_code != 409:
                raise

    def _described(self, image: str) -> dict[str, Any]:
        names = self.names
        mounts = ((STATE, STATE_FOLDER), (EDGE_VOLUME, EDGE_FOLDER), (INSTANCES_VOLUME, INSTANCES_FOLDER))
        return {
            "Image": image,
            "Entrypoint": [*KEEPER],
            "Cmd": [folder for _, folder in mounts],
            "User": "0:0",
            "WorkingDir": "/",
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": {**names.labels, WORKLOAD: ""},
            "HostConfig": {
                "Init": True,
                "RestartPolicy": {"Name": "unless-stopped"},
                "ReadonlyRootfs": True,
                "Tmpfs": {"/run": "", "/tmp": ""},  # noqa: S108 - of the container
                "CapDrop": ["ALL"],
                "CapAdd": _ABILITIES,
                "SecurityOpt": ["no-new-privileges:true"],
                "LogConfig": LOGS,
                **({} if self._first else {"NetworkMode": "none"}),
                "Mounts": [
                    {"Type": "volume", "Source": names.volume(volume), "Target": folder} for volume, folder in mounts
                ],
            },
            **({"NetworkingConfig": {"EndpointsConfig": {names.network: {}}}} if self._first else {}),
        }

    async def _keeping(self, described: dict[str, Any]) -> None:
        """It runs by this description, unless somebody is busy with one that runs by another."""
        api, name = await self.engine.api(), self.names.keeper
        digest = hashlib.sha256(msgspec.json.encode(described, order="sorted")).hexdigest()
        found = None
        with suppress(NotFound):
            found = await self.engine.call(api.inspect_container, name)
        if found is not None and found["Config"]["Labels"].get(DIGEST) != digest and not await self._is_busy(found):
            await self.ask.close()
            await self.engine.call(api.remove_container, name, force=True)
            found = None
        if found is None:
            described["Labels"][DIGEST] = digest
            await self._unless_there(api.create_container_from_config, described, name)
        if self._first:
            await self._connect(name)
        await self.engine.call(api.start, name)

    async def _is_busy(self, found: dict[str, Any]) -> bool:
        if not found["State"]["Running"]:
            return False
        seen = await self.memory()
        return seen.lease is not None and seen.lease.until > seen.now

    async def _connect(self, name: str) -> None:
        api = await self.engine.api()
        try:
            await self.engine.call(api.connect_container_to_network, name, self.names.inner)
        except APIError as error:
            if "already exists" not in str(error.explanation):
                raise
