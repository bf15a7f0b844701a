"""A door whose answers say which artifact computed them: the digest of the loaded model, on every wire alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client.core import Metric

from modelwright.core.status import Busy
from modelwright.core.wire.v2 import ARTIFACT_HEADER
from modelwright.serving.door import Door, Header, Loaded, Receive, Scope, Send


class StampedDoor:
    """One door with a header more."""

    def __init__(self, door: Door, digest: str) -> None:
        self._door = door
        self._header: Header = (ARTIFACT_HEADER, digest.encode())

    async def start(self) -> Loaded:
        return await self._door.start()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the door does; heads of answers get the header."""

        async def stamped(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], self._header]}
            await send(message)

        await self._door.answer(scope, receive, stamped)

    async def stop(self) -> None:
        await self._door.stop()

    def busy(self) -> Busy:
        return self._door.busy()

    def collect(self) -> Iterable[Metric]:
        return self._door.collect()
