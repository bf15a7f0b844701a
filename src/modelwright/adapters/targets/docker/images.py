"""Images on a host: brought from a registry or the engine that built them, kept as long as a release needs them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from threading import Event

from docker import APIClient
from docker.errors import APIError, ImageNotFound

from modelwright.adapters.targets.docker.engine import SILENT, Engine, failed
from modelwright.adapters.targets.docker.names import Names
from modelwright.core.errors.deploying import TargetUnreachable

_PIECE = 1 << 20


class Images:
    """Those of one environment."""

    def __init__(self, engine: Engine, names: Names, *, sources: Sequence[Engine] = ()) -> None:
        """`sources`: other engines that may have what was packaged here, the likeliest first."""
        self._engine = engine
        self._names = names
        self._sources = sources

    async def all(self) -> frozenset[str]:
        """By every name that each has, its id among them."""
        api = await self._engine.api()
        found = await self._engine.call(api.images)
        names = (one.get(key) or [] for one in found for key in ("RepoTags", "RepoDigests"))
        return frozenset([*(one["Id"] for one in found), *(name for each in names for name in each)])

    async def is_there(self, image: str) -> bool:
        api = await self._engine.api()
        try:
            await self._engine.call(api.inspect_image, image)
        except ImageNotFound:
            return False
        return True

    async def bring(self, image: str) -> None:
        """Raises StepFailed."""
        if await self.is_there(image):
            return
        try:
            for source in self._sources:
                if await self._has(source, image):
                    await self._stream(source, image)
                    return
            if not image.startswith("sha256:"):
                await self._pull(image)
        except APIError as error:
            raise failed(f"the image {image} cannot be brought", error) from error
        if not await self.is_there(image):
            raise failed(f"the image {image} cannot be brought", APIError("No such image, here or there"))

    async def _has(self, source: Engine, image: str) -> bool:
        """Not where nothing answers: whoever only pulls needs no engine here."""
        try:
            return await Images(source, self._names).is_there(image)
        except TargetUnreachable:
            return False

    async def claim(self, workload: str, image: str) -> None:
        """A name of our own, as long as a release needs it."""
        api = await self._engine.api()
        repository, tag = self._names.tag(workload, image).rsplit(":", 1)
        await self._engine.call(api.tag, image, repository, tag)

    async def claim_keeper(self, image: str) -> None:
        """Likewise for the keeper's, of which there is one."""
        api = await self._engine.api()
        repository, tag = self._names.keeper_image.rsplit(":", 1)
        await self._engine.call(api.tag, image, repository, tag, force=True)

    async def release(self, needed: Iterable[tuple[str, str]]) -> None:
        """Give up our names of all others; an image that nobody else has a name for or runs goes with its last one.

        `needed`: workloads with their images.
        """
        api = await self._engine.api()
        kept = {self._names.keeper_image, *(self._names.tag(workload, image) for workload, image in needed)}
        ours = f"modelwright/{self._names.prefix}/"
        for one in await self._engine.call(api.images):
            tags = one.get("RepoTags") or []
            mine = [tag for tag in tags if tag.startswith(ours)]
            if mine and not kept.intersection(mine):
                await self._engine.call(_drop, api, one, [tag for tag in tags if tag not in mine])
            for tag in mine:
                if kept.intersection(mine) and tag not in kept:
                    await self._engine.call(_untag, api, tag)

    async def _pull(self, image: str) -> None:
        """By digest where it is known; credentials are those of this machine's `docker login`."""
        api = await self._engine.api()
        name, at, digest = image.partition("@")
        if not at and ":" in name.rpartition("/")[2]:
            name, _, digest = name.rpartition(":")

        def pull(unwanted: Event) -> None:
            try:
                for said in api.pull(name, tag=digest or "latest", stream=True, decode=True):
                    if "error" in said:
                        raise APIError(said["error"])
                    if unwanted.is_set():
                        return
            except SILENT as error:
                raise APIError(f"nothing was heard of it for {self._engine.silence:g} s") from error

        await self._engine.long(pull)

    async def _stream(self, source: Engine, image: str) -> None:
        """Without a registry; whatever layers are there already are sent as well."""
        there, api = await source.api(), await self._engine.api()

        def stream(unwanted: Event) -> None:
            pieces = itertools.takewhile(lambda _: not unwanted.is_set(), there.get_image(image, chunk_size=_PIECE))
            for said in api.load_image(pieces) or ():
                if "error" in said:
                    raise APIError(said["error"])

        await self._engine.long(stream)


def _drop(api: APIClient, image: dict[str, list[str] | str], others: list[str]) -> None:
    """Our names of it; and all of it when nobody has another one but the registry that it came from."""
    used = api.containers(all=True, filters={"ancestor": image["Id"]}, quiet=True)
    for tag in image.get("RepoTags") or ():
        if tag not in others:
            _untag(api, tag)
    if not others and not used:
        for digest in image.get("RepoDigests") or ():
            _untag(api, digest)


def _untag(api: APIClient, name: str) -> None:
    try:
        api.remove_image(name)
    except ImageNotFound:
        pass
    except APIError as error:
        if error.status_code != 409:  # something of another project runs from it
            raise
