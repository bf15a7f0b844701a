"""What a deploy brings along, made only when somebody asks for it: a manifest's description, images, files, secrets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from secrets import token_hex

import msgspec

from modelwright.core.deploying.workloads import Desired
from modelwright.core.ports.deploying.targets import Contents

UNKNOWN = token_hex(32)
"""In place of the salt of an environment that nobody has prepared; of this process alone, since digests are shown."""


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What should run, and what goes there with it."""

    desired: Desired
    contents: Contents
    keeper: str
    """Image of the gateway: what keeps the target's memory runs from it, too."""


Describe = Callable[[str], Awaitable[Described]]
"""(salt of the environment) → what should run there; may take long, as images are built."""


class Supplies:
    """The port Contents over a description that is made at the first question."""

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._salt: Callable[[], Awaitable[str]] | None = None
        self._made: dict[str, Described] = {}
        self._making = asyncio.Lock()

    def salted_by(self, salt: Callable[[], Awaitable[str]]) -> None:
        """Where the salt is found by then."""
        self._salt = salt

    async def described(self) -> Described:
        """For the environment as it is now."""
        async with self._making:
            salt = (await self._salt() if self._salt is not None else "") or UNKNOWN
            if salt not in self._made:
                self._made[salt] = await self._describe(salt)
            return self._made[salt]

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        """As Contents says."""
        async for piece in (await self.described()).contents.read(digest):
            yield piece
