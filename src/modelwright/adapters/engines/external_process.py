"""The process of an engine's own server: started behind a keeper, heard line by line, ended with all of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from modelwright.adapters.engines import keeper
from modelwright.core.errors.starting import EngineEnded, StartError
from modelwright.core.ports.external.servers import ServerPlan

LAST_WORDS = 6
"""Lines that are remembered for whoever asks why it ended."""
MOST_LINE = 2000
"""Characters of a line."""
MARGIN = 5.0
"""Seconds beyond the grace after which the keeper itself is killed."""


class ExternalProcess:
    """One server; `start` once."""

    def __init__(self, *, env: Mapping[str, str], told: Callable[[str], None], grace: float) -> None:
        """`env` are the variables that it has beside its plan's; `told` hears its lines; `grace` in seconds."""
        self._env = dict(env)
        self._told = told
        self._grace = grace
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self._process: asyncio.subprocess.Process | None = None
        self._lifeline = -1
        self._reading: asyncio.Task[None] | None = None

    async def start(self, plan: ServerPlan) -> None:
        """Write the plan's files and start its command; raises StartError when there is no such program."""
        _require(plan.command[0])
        _write_files(plan)
        end, self._lifeline = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", keeper.__file__, str(end), str(self._grace), *plan.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(end,),
                env=self._env | plan.env,
            )
        finally:
            os.close(end)
        self._reading = asyncio.create_task(self._read(self._process))

    async def run(self, plan: ServerPlan, command: tuple[str, ...]) -> None:
        """Raises EngineEnded with what the command has written, when it fails."""
        _require(command[0])
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._env | plan.env,
        )
        try:
            said, _ = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        if process.returncode:
            words = said.decode("utf-8", "replace").strip()[-MOST_LINE:]
            raise EngineEnded(
                f"{' '.join(command[:2])} ended with status {process.returncode}: {words}", hint="see the part's log"
            )

    async def ended(self) -> str:
        """How it ended, and its last words."""
        if self._process is None or self._reading is None:
            return "it was never started"
        status = await self._process.wait()
        await asyncio.wait((self._reading,), timeout=1.0)
        how = f"killed by signal {status - 128}" if status > 128 else f"ended with status {status}"
        return f"{how}: {' | '.join(self._words)}" if self._words else how

    async def stop(self) -> None:
        """End it and all that it has started."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._process.wait(), self._grace + MARGIN)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        rest = b""
        while process.stdout is not None and (data := await process.stdout.read(65536)):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[-MOST_LINE:]
            for line in lines:
                self._hear(line)
        self._hear(rest)

    def _hear(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()[:MOST_LINE]
        if text:
            self._words.append(text[:300])
            self._told(text)


def _write_files(plan: ServerPlan) -> None:
    for name, text in plan.files.items():
        Path(plan.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(plan.folder, name).write_text(text, "utf-8")


def _require(program: str) -> None:
    if shutil.which(program) is None:
        raise StartError(
            f"there is no program {program!r} on this machine's PATH",
            hint="install the engine, or name its program in `engine.command`",
        )
