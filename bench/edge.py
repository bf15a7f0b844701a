"""Requests through a real edge while releases change under them: none may fail; without a drain, most have to."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from bench.load.wrk import Load, wrk
from bench.process import running, scratch, wait_for
from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Route
from tests.contracts.edges import Running, talk
from tests.making.ports import free_port

CONNECTIONS = 16
SECONDS = 24.0
STREAM = 12
"""Seconds that a stream lasts, over two shifts."""
LEAST = 20_000
_INSTANCE = """
import asyncio, sys
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    stream = scope["path"] == "/stream"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-release", sys.argv[2].encode())]})
    for number in range(int(sys.argv[3]) if stream else 0):
        await send({"type": "http.response.body", "body": b"data: %d\\n\\n" % number, "more_body": True})
        await asyncio.sleep(1)
    await send({"type": "http.response.body", "body": b"data: end\\n\\n" if stream else b"{}"})
import uvicorn
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", timeout_graceful_shutdown=30)
"""


def main() -> None:
    """Print what was answered; raises SystemExit when a request has failed, or when the control has not."""
    bad = 0
    for kind in ("haproxy", "nginx"):
        with scratch() as folder:
            drained, words = asyncio.run(_shifted(kind, folder, drain=True))
        with scratch() as folder:
            cut, _ = asyncio.run(_shifted(kind, folder, drain=False))
        print(
            f"{kind}: {drained.requests} requests over two shifts, {drained.rate:.0f}/s, p99 {drained.p99:.1f} ms, ",
            end="",
        )
        print(f"{drained.errors} failed; a stream of {STREAM} s came {'whole' if words else 'cut'}")
        print(f"{kind}, control (killed without a drain): {cut.requests} requests, {cut.errors} failed")
        bad += drained.requests < LEAST or not words or not cut.errors or (kind == "haproxy" and drained.errors > 0)
    if bad:
        raise SystemExit(1)


async def _shifted(kind: str, folder: Path, *, drain: bool) -> tuple[Load, bool]:
    """(what wrk has seen, whether the stream came whole)."""
    edge = Running(kind, folder)
    async with AsyncExitStack() as stack:
        stack.callback(edge.kill)
        first = await stack.enter_async_context(_instance("r1", folder))
        await edge.edge.configure(_front([first], {"r1": 100}))
        await edge.start()
        url = f"http://127.0.0.1:{edge.port}/"
        load = asyncio.create_task(
            asyncio.to_thread(wrk, url, connections=CONNECTIONS, seconds=SECONDS, cpu=1, folder=folder, headers={})
        )
        streamed = asyncio.create_task(_stream(edge.port))
        await asyncio.sleep(2)
        if drain:
            for before, after in (("r1", "r2"), ("r2", "r3")):
                first = await _replace(edge, first, (before, after), stack=stack, folder=folder)
        else:
            _ENDS[first.name].set()
        return await load, await streamed


async def _replace(
    edge: Running, old: Server, releases: tuple[str, str], *, stack: AsyncExitStack, folder: Path
) -> Server:
    """A release by the next one, in three steps; the old one goes when nothing of it is open."""
    before, after = releases
    new = await stack.enter_async_context(_instance(after, folder))
    for share in (10, 50, 100):
        shares = {before: 100 - share, after: share} if share < 100 else {after: 100}
        await edge.edge.configure(_front([old, new], shares))
        await asyncio.sleep(1)
    while await edge.edge.open_streams("api", before):  # noqa: ASYNC110 - it is another program that gets there
        await asyncio.sleep(0.1)
    await edge.edge.configure(_front([new], {after: 100}))
    _ENDS[old.name].set()
    return new


def _front(servers: Sequence[Server], shares: dict[str, int]) -> Front:
    return Front(routes=(Route(name="api", workload="api"),), servers=tuple(servers), shares={"api": shares})


_ENDS: dict[str, asyncio.Event] = {}
"""By instance: set, it is ended."""


@contextlib.asynccontextmanager
async def _instance(release: str, folder: Path) -> AsyncIterator[Server]:
    port, name = free_port(), f"api.{release}.0"
    command = [sys.executable, "-c", _INSTANCE, str(port), release, str(STREAM)]
    with running(command, cpu=None, log=folder / f"{name}.log") as process:
        await asyncio.to_thread(wait_for, f"http://127.0.0.1:{port}/")
        ended = _ENDS[name] = asyncio.Event()

        async def end() -> None:
            await ended.wait()
            process.kill()

        ending = asyncio.create_task(end())
        try:
            yield Server(name=name, workload="api", release=release, address=f"127.0.0.1:{port}")
        finally:
            ending.cancel()


async def _stream(port: int) -> bool:
    """Whether all of a stream came, and its first word before its last second."""
    began = time.monotonic()
    async with talk(port) as client:
        try:
            await client.begin("/stream")
            await client.hear(b"data: 0\n\n")
            first = time.monotonic() - began
            await client.hear(b"data: end\n\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
    return first < 1.0
