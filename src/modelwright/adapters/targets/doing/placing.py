"""Brings what a release is made of to where it runs: its files and secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator

from modelwright.adapters.targets.doing.ground import Ground, Stock
from modelwright.adapters.targets.kept import EVERYBODY, Deliver, Lacking, Place
from modelwright.core.deploying.workloads import Desired
from modelwright.core.ports.deploying.targets import Contents

_PIECE = 1 << 18


class Placing:
    """Of one environment, from what whoever deploys has with him."""

    def __init__(self, ground: Ground, stock: Stock, contents: Contents) -> None:
        self._ground = ground
        self._stock = stock
        self._contents = contents

    async def place(self, release: str, desired: Desired, *, epoch: int) -> None:
        """The files first: a release that is known has all of them. Raises StepFailed."""
        for digest, user in await self.lacking(desired):
            offset, held = 0, b""
            async for piece in _pieces(self._contents.read(digest)):
                if held:
                    await self._deliver(digest, user, offset=offset, piece=held, epoch=epoch)
                    offset += len(held)
                held = piece
            await self._deliver(digest, user, offset=offset, piece=held, epoch=epoch, last=True)
        await self._ground.ask(Place(epoch=epoch, release=release, desired=desired), type(None))

    async def lacking(self, desired: Desired) -> tuple[tuple[str, int], ...]:
        """Files that are not there."""
        wanted = dict[tuple[str, int], None]()
        for work in desired.workloads:
            for mount in work.mounts:
                if not mount.volume:
                    user = await self._stock.user(work.image) if mount.secret else EVERYBODY
                    wanted[mount.digest, user] = None
        return await self._ground.ask(Lacking(files=tuple(wanted)), tuple[tuple[str, int], ...])

    async def _deliver(
        self, digest: str, user: int, *, offset: int, piece: bytes, epoch: int, last: bool = False
    ) -> None:
        question = Deliver(epoch=epoch, digest=digest, offset=offset, piece=piece, last=last, user=user)
        await self._ground.ask(question, type(None))


async def _pieces(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """None of them too large for a line."""
    async for piece in content:
        for start in range(0, len(piece), _PIECE):
            yield piece[start : start + _PIECE]
