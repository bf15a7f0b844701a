"""What a deploy brings along, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

from modelwright.core.deploying.made import content_digest
from modelwright.core.errors.deploying import StepFailed


class Carried:
    """Contents by digest."""

    def __init__(self) -> None:
        self.by_digest: dict[str, bytes] = {}

    def add(self, content: bytes) -> str:
        """Its digest."""
        digest = content_digest(content)
        self.by_digest[digest] = content
        return digest

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        if digest not in self.by_digest:
            raise StepFailed(f"nobody has {digest} with him", hint="deploy from where it is")
        yield self.by_digest[digest]
