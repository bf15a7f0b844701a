"""The secret stores of a run: read again and again by the supervisor, and handed to the workers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.secret_stores.handing import TOLD, Hand, wanted_at
from modelwright.app.secret_stores.open import open_store
from modelwright.app.secret_stores.reading import Open, Reading, StoreInUse, stores_of
from modelwright.app.whole_file import write_whole
from modelwright.core.ports.clock import Clock

TICK = 0.2
"""Seconds between two looks at which store is due."""


class SecretStores:
    """Of one run."""

    def __init__(
        self, runtime: Path, *, clock: Clock, say: Callable[[str], None] = lambda _: None, open_one: Open = open_store
    ) -> None:
        self.say = say
        """Something that whoever watches should read."""
        self.moved: Callable[[Collection[str]], None] = lambda _: None
        """These secrets have another value than before."""
        self._runtime = runtime
        self._clock = clock
        self._open = open_one
        self._hand = Hand(runtime)
        self._in_force: Reading | None = None
        self._asking: dict[StoreInUse, asyncio.Task[None]] = {}

    @property
    def descriptor(self) -> int:
        """What workers inherit."""
        return self._hand.descriptor

    def read(self, loaded: LoadedManifest) -> Reading:
        """Ask the stores that a manifest names for what it needs of them; nothing is handed over yet.

        Raises ManifestError for secrets that they do not hold, StartError for a store that never answered.
        """
        before = self._in_force.stores if self._in_force else ()
        reading = Reading(loaded, stores_of(loaded, before, open_one=self._open), take=self._take)
        reading.refresh(self._clock)
        reading.demand()
        return reading

    async def run(self) -> None:
        """Ask again, each store in its time, until cancelled."""
        wanted = wanted_at(self._runtime)
        while True:
            await asyncio.sleep(TICK)
            before, wanted = wanted, wanted_at(self._runtime)
            if wanted != before and self._in_force is not None:
                for store in self._in_force.stores:
                    store.hurry()
            now = self._clock.monotonic()
            for store in self._in_force.stores if self._in_force else ():
                if store.names and store.due <= now and store not in self._asking:
                    task = asyncio.create_task(self._again(store))
                    self._asking[store] = task
                    task.add_done_callback(lambda _, store=store: self._asking.pop(store))

    def close(self) -> None:
        """Let go of every store."""
        self._hand.close()
        if self._in_force is not None:
            self._in_force.close()

    def _take(self, reading: Reading) -> None:
        kept = {store.store for store in reading.stores}
        gone = [store.store for store in self._in_force.stores if store.store not in kept] if self._in_force else []
        self._in_force = reading
        for store in gone:
            # A store that is away may keep whoever says goodbye to it waiting.
            threading.Thread(target=store.close, daemon=True).start()
        for store in reading.stores:
            if store.trouble is not None:
                kept_on = "its secrets stay as they were read last" if store.known else "the start goes on without it"
                self.say(f"warning: {store.trouble}; {kept_on}")
        self._hand_over()

    async def _again(self, store: StoreInUse) -> None:
        troubled = store.trouble is not None
        before = self._values()
        await asyncio.to_thread(store.refresh, self._clock)
        if store.trouble is not None and not troubled:
            self.say(f"{store.trouble}; its secrets stay as they were read last")
        elif store.trouble is None and troubled:
            self.say(f"secrets.{store.name} is read again")
        self._hand_over()
        changed = {name for name, value in self._values().items() if before.get(name) != value}
        if changed:
            self.moved(changed)

    def _values(self) -> dict[str, str]:
        return self._in_force.values() if self._in_force is not None else {}

    def _hand_over(self) -> None:
        if self._in_force is None:
            return
        self._hand.give(self._values())
        with contextlib.suppress(OSError):
            write_whole(self._runtime / TOLD, msgspec.json.encode(self._in_force.told()))
