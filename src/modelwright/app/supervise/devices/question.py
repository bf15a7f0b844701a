"""A question to a worker over its Unix socket, beside everything else that the supervisor does."""

from __future__ import annotations

import asyncio
from pathlib import Path

_OK = b"HTTP/1.1 200"


async def question(path: Path, target: str, *, within: float) -> bytes | None:
    """The body of its answer; None when it gives no good one within so many seconds."""
    try:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(f"GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    return body if head.startswith(_OK) else None
