"""The life of one part as a pure state machine: what has happened in, what to do out; it touches no process."""

from __future__ import annotations

import signal

import msgspec

from modelwright.app.parts import Notice
from modelwright.core.backoff import BackoffRule, next_restart
from modelwright.core.ports.clock import Clock
from modelwright.core.status import PartStatus


class Start(msgspec.Struct, frozen=True, tag=True):
    """Open the part's doors, if they are closed, and start its process."""


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Call `due` when `seconds` have passed."""

    seconds: float


class Refuse(msgspec.Struct, frozen=True, tag=True):
    """Close the part's doors: callers shall be refused at once, not wait for nobody."""


class Terminate(msgspec.Struct, frozen=True, tag=True):
    """Ask the process to drain and end."""


class Kill(msgspec.Struct, frozen=True, tag=True):
    """End the process without asking."""


Step = Start | Wait | Refuse | Terminate | Kill


class PartMachine:
    """One part from its first start to its end.

    `starting → ready → died → starting …`; `waiting` between two starts of a part that dies often; `broken` when
    another start would fail in the same way; `draining → stopped` at the end.
    """

    def __init__(self, name: str, kind: str, *, clock: Clock, rule: BackoffRule | None = None) -> None:
        self.name = name
        self.kind = kind
        self.state = "starting"
        self.detail = ""
        self.pid = 0
        self.since = clock.now()
        self.settled = False
        """It has been ready, broken or in a crash loop since its first start."""
        self._clock = clock
        self._rule = rule or BackoffRule()
        self._starts = 0
        self._deaths: list[float] = []
        self._trial = False
        self._ready_at = 0.0
        self._draining = False
        self._words = ""
        self._early: list[Notice] = []
        """What a process said before we knew that it runs: on a busy machine it may be ready by then."""

    @property
    def stopped(self) -> bool:
        """Nothing is to be started any more."""
        return self.state == "stopped"

    def start(self) -> tuple[Step, ...]:
        """The first start."""
        self._become("starting")
        return (Start(),)

    def spawned(self, pid: int) -> tuple[Step, ...]:
        """The process runs; one that a drain overtook is asked to end at once."""
        self.pid = pid
        self._starts += 1
        self._words = ""
        self._become("draining" if self._draining else "starting")
        self._take_early()
        return (Terminate(),) if self._draining else ()

    def told(self, notice: Notice) -> None:
        """The process said something about itself; a dead or draining one is not heard any more, but its reason is."""
        if self.pid:
            self._take(notice)
        else:
            self._early.append(notice)

    def _take_early(self) -> None:
        early, self._early = self._early, []
        for notice in early:
            self._take(notice)

    def _take(self, notice: Notice) -> None:
        if notice.state == "failed":
            self._words = notice.detail or "failed"
            if notice.fatal and not self._draining:
                self.settled = True
                self._become("broken", self._words)
            return
        if self.state not in {"starting", "ready"}:
            return
        if notice.state == "ready":
            self._ready_at = self._clock.monotonic()
            self.settled = True
        self._become("ready" if notice.state == "ready" else "starting", notice.detail)

    def exited(self, status: int) -> tuple[Step, ...]:
        """The process has ended with `status` (negative: the signal's number), or could not be started at all."""
        self.pid = 0
        self._take_early()
        if self._draining:
            self._become("stopped", "" if status in {0, -signal.SIGTERM} else _reason(status))
            return ()
        if self.state == "broken":
            return (Refuse(),)
        return self._again(self._words or _reason(status))

    def due(self) -> tuple[Step, ...]:
        """The wait is over."""
        if self.state != "waiting":
            return ()
        self._become("starting")
        return (Start(),)

    def drain(self) -> tuple[Step, ...]:
        """Nothing is started from now on; a running process is asked to end."""
        if self._draining:
            return ()
        self._draining = True
        if self.pid:
            self._become("draining")
            return (Terminate(),)
        if self.state != "broken":
            self._become("stopped")
        return ()

    def overdue(self) -> tuple[Step, ...]:
        """The process has not ended in its grace."""
        return (Kill(),) if self.pid else ()

    def stuck(self, seconds: float) -> tuple[Step, ...]:
        """The process lives, but has given no sign of it for so long."""
        if self._draining or not self.pid:
            return ()
        self._words = f"gave no answer for {seconds:g} s and was killed"
        return (Kill(),)

    def over(self, words: str, *, wait: bool) -> tuple[Step, ...]:
        """The process took more than it may, as `words` say: it ends, after its last answers if there is time to `wait`
        and it has any, and is started again.
        """
        if self._draining or not self.pid:
            return ()
        self._words = words
        if not wait or self.state not in {"ready", "draining"}:
            return (Kill(),)
        self._become("draining", words)
        return (Terminate(),)

    def status(self, *, socket: str = "", label: str = "") -> PartStatus:
        """As others see it; `label` says what it is for when there is nothing else to tell."""
        return PartStatus(
            name=self.name,
            kind=self.kind,
            state=self.state,
            detail=self.detail or label,
            pid=self.pid,
            since=self.since,
            restarts=max(0, self._starts - 1),
            socket=socket,
        )

    def _again(self, reason: str) -> tuple[Step, ...]:
        now = self._clock.monotonic()
        steady = self.state in {"ready", "draining"} and now - self._ready_at >= self._rule.steady
        self._deaths = [death for death in self._deaths if now - death <= self._rule.window] + [now]
        restart = next_restart(self._rule, self._deaths, now, trial=self._trial and not steady)
        self._trial = restart.breaker_open
        if restart.breaker_open:
            self.settled = True
            self._become("waiting", f"{reason}; keeps dying, next start in {restart.wait:g} s")
            return (Refuse(), Wait(restart.wait))
        if restart.wait > 0:
            self._become("waiting", f"{reason}; next start in {restart.wait:g} s")
            return (Wait(restart.wait),)
        self._become("died", f"{reason}; starting again")
        return (Start(),)

    def _become(self, state: str, detail: str = "") -> None:
        if state != self.state:
            self.since = self._clock.now()
        self.state = state
        self.detail = detail


def _reason(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
