"""Programs beside ours, run to their end within a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a program has ended."""

    status: int
    """Negative: by that signal."""
    out: bytes
    err: str

    def last_words(self, lines: int = 12) -> str:
        """The end of what it has said, for an error's text."""
        said = (self.err.strip() or self.out.decode("utf-8", "replace").strip()).splitlines()
        return "\n".join(said[-lines:])


async def run(command: Sequence[str], *, env: Mapping[str, str], seconds: float, stdin: Path | None = None) -> Ended:
    """Its output; raises TimeoutError once it was killed for taking longer, OSError when it cannot be started."""
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(stdin.open("rb")) if stdin else asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *command, stdin=source, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(env)
        )
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
    return Ended(status=process.returncode or 0, out=out, err=err.decode("utf-8", "replace"))
