"""Keys that the manifest gives, as control takes them in: each once, whenever the manifest or a secret has changed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from modelwright.access.given import take_in
from modelwright.core.contracts.snapshot import GivenKey
from modelwright.core.errors.access import AccessError
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.stores import KeyStore

log = logging.getLogger("modelwright.control")


class GivenKeys:
    """Remembers what it has taken in, and what it could not."""

    def __init__(self, store: KeyStore, *, pepper: bytes, resolve: Callable[[str], str], clock: Clock) -> None:
        """`resolve` fills secrets in, as they are now."""
        self._store = store
        self._pepper = pepper
        self._resolve = resolve
        self._clock = clock
        self._known: set[str] = set()
        """Texts that need no second look."""
        self._troubles: dict[str, str] = {}

    async def take_in(self, given: Iterable[GivenKey]) -> None:
        """One that cannot be used is told in the log, and stands in nobody's way. Raises DBAPIError."""
        for one in given:
            try:
                text = self._resolve(one.key)
                if text in self._known:
                    continue
                if await take_in(self._store, one, text, pepper=self._pepper, now=self._clock.now()):
                    log.info("the key %s of the manifest is known from now on", one.name)
            except (AccessError, StartError) as error:
                if self._troubles.get(one.name) != error.message:
                    log.error("the key %s of the manifest is not known: %s", one.name, error)  # noqa: TRY400 - told once
                self._troubles[one.name] = error.message
                continue
            self._known.add(text)
