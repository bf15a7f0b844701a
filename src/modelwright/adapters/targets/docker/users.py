"""Which user an image's program runs as, by number: the one whom its secrets belong to."""

from __future__ import annotations

import io
import tarfile

from docker import APIClient
from docker.errors import NotFound

from modelwright.adapters.targets.docker.engine import Engine
from modelwright.core.errors.deploying import StepFailed


class Users:
    """Those of one engine's images; each is looked up once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, int] = {}

    async def of(self, image: str) -> int:
        """Raises StepFailed when the image names one that it does not know, and APIError."""
        if image not in self._known:
            api = await self._engine.api()
            self._known[image] = await self._engine.call(_user, api, image)
        return self._known[image]


def _user(api: APIClient, image: str) -> int:
    name = str(api.inspect_image(image)["Config"].get("User") or "0").partition(":")[0]
    if name.isdecimal():
        return int(name)
    if name == "root":
        return 0
    for line in _passwd(api, image).splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2])
    raise StepFailed(f"{image} runs as {name!r}, whom its /etc/passwd does not know", hint="name its user by number")


def _passwd(api: APIClient, image: str) -> str:
    """Out of a container that is never started."""
    made = api.create_container(image, command=["true"])["Id"]
    try:
        pieces, _ = api.get_archive(made, "/etc/passwd")
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
            file = archive.extractfile(archive.getmembers()[0])
            return file.read().decode("utf-8", "replace") if file is not None else ""
    except NotFound:
        return ""
    finally:
        api.remove_container(made, force=True)
