"""A worker process that answers without gateway, engine or database, for tests of the supervisor and of the lifecycle.

It reads `behaviour.json` in its base directory: {"<part>": {"fail": "…", "fatal": true, "die": 1, "stubborn": true}}.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from modelwright.app.lifecycle import read_spec, run_worker
from modelwright.app.parts import Notice, PartSpec


class FakeWorker:
    """Answers `/` at once, `/slow` after half a second, `/stream` with forty pieces in two seconds.

    `/held` begins at once and ends when there is a file `go` in the base directory. `/stuck` is answered after a minute
    in which nothing else runs.
    """

    def __init__(self, spec: PartSpec) -> None:
        self.asgi = self._answer
        self.spec = spec
        self.behaviour: dict[str, Any] = json.loads(Path(spec.base, "behaviour.json").read_text()).get(spec.name, {})
        self.draining = False

    async def start(self) -> Notice:
        if "die" in self.behaviour:
            os._exit(self.behaviour["die"])
        if "fail" in self.behaviour:
            return Notice(state="failed", detail=self.behaviour["fail"], fatal=self.behaviour.get("fatal", False))
        if self.behaviour.get("raise"):
            raise RuntimeError(self.behaviour["raise"])
        return Notice(state="ready", detail="fake")

    def drain(self) -> None:
        self.draining = True
        if self.behaviour.get("stubborn"):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            while True:
                signal.pause()

    async def stop(self) -> None:
        self._leave_a_mark()

    def _leave_a_mark(self) -> None:
        Path(self.spec.base, f"{self.spec.name}.stopped").write_text(str(os.getpid()))

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        if path == "/stuck":
            time.sleep(60)  # noqa: ASYNC251 - this is the fault
        if path == "/slow":
            await asyncio.sleep(0.5)
        for number in range(40 if path == "/stream" else 0):
            await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
            await asyncio.sleep(0.05)
        if path == "/held":
            await send({"type": "http.response.body", "body": b"0\n", "more_body": True})
            while not Path(self.spec.base, "go").exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.02)
        await send({"type": "http.response.body", "body": b"end"})


if __name__ == "__main__":
    spec = read_spec(sys.argv)
    sys.exit(run_worker(spec, FakeWorker(spec)))
