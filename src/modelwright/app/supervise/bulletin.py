"""What a site says of itself: each change to whoever watches and to `status.json`, and once how the start went."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from modelwright.app.supervise.devices.doors import TcpDoor
from modelwright.app.supervise.devices.runtime import Claim, Pointer
from modelwright.app.supervise.site import Audience, Site, Verdict, is_hopeless, is_ready, judge_start
from modelwright.app.whole_file import write_whole
from modelwright.core.status import PartStatus, Status


class Greeter(Protocol):
    """Makes a started site usable: sees to the key, and says what to do next."""

    async def prepare(self) -> None:
        """Control answers now."""
        ...

    async def lines(self, status: Status) -> Sequence[str]:
        """What to print when everything has settled."""
        ...


class Bulletin:
    """Speaks for one run, from its first part to its last."""

    def __init__(
        self,
        site: Site,
        claim: Claim,
        *,
        public: TcpDoor,
        admin: TcpDoor,
        grpc: TcpDoor | None = None,
        audience: Audience,
        greeter: Greeter,
        pid: int,
        since: float,
    ) -> None:
        self._site = site
        self._off = site.off
        self._claim = claim
        self._public = public
        self._admin = admin
        self._grpc = grpc
        self._audience = audience
        self._greeter = greeter
        self._pid = pid
        self._since = since
        self._told: dict[str, PartStatus] = {}
        self._prepared: asyncio.Task[None] | None = None
        self._greeting: asyncio.Task[None] | None = None
        self._over = False
        self.verdict: Verdict | None = None
        """Why the start came to nothing, once that is known."""

    def point(self) -> None:
        """Say where this run is: the ports are known."""
        runtime = str(self._claim.runtime)
        pointer = Pointer(
            pid=self._pid, runtime=runtime, public=self._public.url, admin=self._admin.url, since=self._since
        )
        self._claim.point(pointer)

    def tell(self, parts: Sequence[PartStatus], *, settled: bool) -> None:
        """These are the parts now; `settled`: each of them has once been more than starting."""
        status = self._status(parts)
        changed = [part for part in status.parts if self._told.get(part.name) != part]
        if not changed and len(status.parts) == len(self._told):
            return
        self._told = {part.name: part for part in status.parts}
        self._write_down(status)
        for part in changed:
            with suppress(OSError):
                self._audience.changed(part)
        self._look_at_start(status, settled=settled)

    def renew(self, off: tuple[PartStatus, ...]) -> None:
        """These providers are off from now on, and no others."""
        self._off = off

    def say(self, line: str) -> None:
        """Something that is no part's state. Nobody there to hear it (a closed pipe, a lost terminal) is no fault."""
        with suppress(OSError):
            self._audience.said(line)

    def end_of_start(self) -> None:
        """Whatever the start was about to become, it is over: the site stops."""
        self._over = True
        for task in (self._prepared, self._greeting):
            if task is not None:
                task.cancel()

    def _status(self, parts: Sequence[PartStatus]) -> Status:
        everything = (*parts, *self._off)
        return Status(
            name=self._site.name,
            environment=self._site.environment,
            version=self._site.version,
            pid=self._pid,
            since=self._since,
            public=self._public.url,
            admin=self._admin.url,
            grpc=self._grpc.url if self._grpc is not None else "",
            ready=is_ready(everything),
            parts=everything,
        )

    def _write_down(self, status: Status) -> None:
        """A full disk must not end what runs."""
        try:
            write_whole(self._claim.runtime / "status.json", msgspec.json.encode(status))
        except OSError as error:
            self.say(f"the status cannot be written: {error}")

    def _look_at_start(self, status: Status, *, settled: bool) -> None:
        if self._over:
            return
        if self._prepared is None and any(part.kind == "control" and part.state == "ready" for part in status.parts):
            self._prepared = asyncio.create_task(self._greeter.prepare())
        if not settled and not is_hopeless(status.parts):
            return
        self.verdict = judge_start(status.parts, remote=self._site.remote)
        if self.verdict is not None or self._prepared is None or self._prepared.done():
            self._finish_start(status)
        else:
            self._prepared.add_done_callback(lambda _: self._finish_start(self._status_again()))

    def _finish_start(self, status: Status) -> None:
        if self._over:
            return
        self._over = True
        if self.verdict is None:
            self._greeting = asyncio.create_task(self._greet(status))

    async def _greet(self, status: Status) -> None:
        lines: Sequence[str] = ()
        with suppress(OSError, ValueError):  # a request file that was changed meanwhile: the site is ready all the same
            lines = await self._greeter.lines(status)
        with suppress(OSError):
            self._audience.settled(status, lines)

    def _status_again(self) -> Status:
        """As it was last told."""
        return self._status([part for part in self._told.values() if part.kind != "provider"])
