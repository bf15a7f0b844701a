"""Units that their first call starts: who listens for it, and how long one that could not be started is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from modelwright.app.supervise.fleet.bell import Bell

ASLEEP = "asleep; its first call starts it"
FIRST_REST, LONGEST_REST = 2.0, 300.0
"""Seconds for which callers of a model that could not be started are refused; twice as long each time."""


class Sleepers:
    """Of one fleet."""

    def __init__(
        self,
        *,
        wake: Callable[[str], Awaitable[str]],
        is_away: Callable[[str, Bell], bool],
        told: Callable[[], Coroutine[Any, Any, None]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`wake` starts a unit and says what is in the way; `is_away`: no process is there, not even one that leaves;
        `told` has the gateways know of a change; `spawn` does something beside.
        """
        self.bells: dict[str, Bell] = {}
        """Of the units in force."""
        self.old: list[Bell] = []
        """Of units as they were before, until nobody calls there any more."""
        self.waking: set[str] = set()
        self._wake = wake
        self._is_away = is_away
        self._told = told
        self._spawn = spawn
        self._failed: dict[str, str] = {}
        """Units that a call could not start, and why."""
        self._rests: dict[str, float] = {}
        """For how many seconds each of them was left alone last."""
        self._resting: dict[str, asyncio.TimerHandle] = {}

    def why(self, name: str) -> str:
        """Why a unit has no process."""
        return self._failed.get(name, ASLEEP)

    def refused(self) -> dict[str, str]:
        """Units whose callers are refused for a while, and why."""
        return {name: self._failed[name] for name in self._resting}

    def listen(self) -> None:
        """Wait for a call of each unit that nobody runs."""
        for name, bell in self.bells.items():
            if name not in self._resting and name not in self.waking and self._is_away(name, bell):
                bell.listen(lambda name=name: self._called(name))

    def take_over(self, bells: dict[str, Bell], *, same: Collection[str]) -> None:
        """These are in force; units that are not the `same` as before are tried at their next call, whatever was."""
        self.old += [bell for bell in self.bells.values() if bell not in bells.values()]
        self.bells = bells
        for name in [name for name in (*self._resting, *self._failed) if name not in same]:
            self.recovered(name)

    def recovered(self, name: str) -> None:
        """It can be started, or is another one now."""
        self._failed.pop(name, None)
        self._rests.pop(name, None)
        if name in self._resting:
            self._resting.pop(name).cancel()

    def hush(self) -> None:
        """Nobody is started any more."""
        for timer in self._resting.values():
            timer.cancel()
        for bell in (*self.bells.values(), *self.old):
            bell.rest()

    def close(self) -> None:
        """Callers are refused."""
        for bell in (*self.bells.values(), *self.old):
            bell.door.close()

    def _called(self, name: str) -> None:
        self.waking.add(name)
        self._spawn(self._answer(name))

    async def _answer(self, name: str) -> None:
        """Start what a call has asked for; in vain, callers are refused for a while."""
        try:
            problem = await self._wake(name)
        finally:
            self.waking.discard(name)
        if problem and name in self.bells:
            self._rest(name, problem)
        else:
            self.recovered(name)
            self.listen()
        await self._told()

    def _rest(self, name: str, problem: str) -> None:
        rest = self._rests[name] = min(LONGEST_REST, 2 * self._rests.get(name, FIRST_REST / 2))
        self._failed[name] = f"could not be started, the next call after {rest:g} s tries it again: {problem}"
        self.bells[name].close()
        self._resting[name] = asyncio.get_running_loop().call_later(rest, self._rested, name)

    def _rested(self, name: str) -> None:
        del self._resting[name]
        self.listen()
        self._spawn(self._told())
