"""Brings one file from https or S3 into a part of a file here, with bounds, continued after a break."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from modelwright.adapters.http.dial import Address, system_resolve
from modelwright.adapters.http.download import Came, Progress, download
from modelwright.adapters.http.pool import Pool
from modelwright.app.sources.section import ArtifactsSection
from modelwright.core.addresses import may_be_reached
from modelwright.core.errors.artifacts import SourceUnavailable
from modelwright.core.ports.http import Deadlines
from modelwright.core.quantities import told_size

WITHIN = 4 * 3600.0
"""Seconds that one file may take."""
DEADLINES = Deadlines(connect=10.0, first_byte=60.0, idle=60.0)
TRIES = 4
"""Times that S3 is asked again for what is left, when it breaks off."""
_EVERY = 2.0
"""Seconds between two lines about one file."""


class Told:
    """Says how far a file has come."""

    def __init__(self, place: str, say: Callable[[str], None], make_room: Callable[[int, int], None]) -> None:
        """`make_room` gets the whole size, or what has come when nobody knows, and what is to come; it may refuse."""
        self._place = place
        self._say = say
        self._make_room = make_room
        self._whole = 0
        self._room = 0
        self._last = time.monotonic()

    def whole(self, size: int, here: int) -> None:
        """This much in all, of which so much is here."""
        if size != self._whole:
            self._make_room(size, max(0, size - here))
            self._say(f"fetching {self._place}: {told_size(size)}")
        self._whole = self._room = size

    def got(self, size: int) -> None:
        """This much is here."""
        if size > self._room:
            self._make_room(size, 0)
            self._room = size + (64 << 20)
        now = time.monotonic()
        if now - self._last < _EVERY:
            return
        self._last = now
        share = f"{100 * size // self._whole} % of {told_size(self._whole)}" if self._whole else told_size(size)
        self._say(f"fetching {self._place}: {share}")


def fetch_https(
    url: str, part: Path, *, section: ArtifactsSection, tls: Callable[[], ssl.SSLContext], told: Told
) -> Came:
    """Raises ArtifactError and OSError; blocks, in a loop of its own."""
    networks = [ipaddress.ip_network(network) for network in section.allow]

    async def open_only(host: str, port: int) -> Sequence[Address]:
        """These very addresses are connected to: nobody can give another one in between, no redirect leads past."""
        found = [each for each in await system_resolve(host, port) if may_be_reached(str(each[4][0]), networks)]
        if not found:
            raise OSError(f"{host} is in no public network (see store.artifacts.allow)")
        return found

    async def run() -> Came:
        pool = Pool(tls=tls, resolve=open_only)
        try:
            progress = Progress(told.whole, told.got)
            return await download(url, part, transport=pool, progress=progress, deadlines=DEADLINES, within=WITHIN)
        finally:
            await pool.close()

    return asyncio.run(run())


def fetch_object(bucket: Any, key: str, part: Path, *, told: Told, size: int, mark: str) -> None:
    """Likewise, of a bucket, the object that has this mark."""
    told.whole(size, part.stat().st_size if part.exists() else 0)
    until = time.monotonic() + WITHIN
    for left in reversed(range(TRIES)):
        start = part.stat().st_size if part.exists() else 0
        if start > size:
            part.unlink()
            start = 0
        if start == size and part.exists():
            return
        try:
            with part.open("ab") as file:
                for chunk in bucket.read(key, start=start, mark=mark):
                    file.write(chunk)
                    told.got(file.tell())
                    if time.monotonic() > until:
                        hint = "start again: what came is kept, and continued"
                        raise SourceUnavailable(f"it is not here after {WITHIN:g} s", hint=hint, place=bucket.place)
        except SourceUnavailable:
            if not left or time.monotonic() > until:
                raise
    if (here := part.stat().st_size) != size:
        hint = "start again: what came is kept, and continued"
        raise SourceUnavailable(f"it ended after {here} of {size} bytes", hint=hint, place=bucket.place)
