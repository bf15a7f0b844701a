"""Runs a site whose workers are killed again and again under load, and tells what became of its calls."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import NamedTuple

from tests.e2e.gateway_site import DevProvider
from tests.e2e.kill_books import Balance, Journal, balance, ledger
from tests.e2e.kill_site import Callers, Killer, KillSite

TOKENS = 6
READING = 1.0
"""Seconds between two looks at what the providers have received."""


class Outcome(NamedTuple):
    """What was found when all had settled."""

    kills: dict[str, int]
    """By part."""
    acknowledged: frozenset[str]
    """Users whose answer came whole."""
    broken: frozenset[str]
    """Users whose answer did not."""
    failures: frozenset[str]
    """What clients got that they should not get."""
    balance: Balance
    in_flight: int
    """Calls that may have been under way at a kill of a gateway worker, over all of these."""

    def problems(self) -> list[str]:
        """In what the books are not exact, in words."""
        books = self.balance
        found = books.problems()
        if self.failures:
            found.append(f"answers that should not be, such as {min(self.failures)}")
        if not books.unresolved <= self.broken:
            found.append(f"no outcome of answers that came whole, such as {min(books.unresolved - self.broken)}")
        if len(books.unresolved) > self.in_flight:
            found.append(f"{len(books.unresolved)} calls without an outcome, at most {self.in_flight} were under way")
        return found


def kill_again_and_again(folder: Path, *, kills: int, seed: int, clients: int = 16) -> Outcome:
    """Kill gateway workers and control `kills` times altogether; the seed decides whom, and when."""
    options = ("--tokens", str(TOKENS), "--delay", "4ms", "--fault", "slow@6ms")
    with DevProvider(*options) as good, DevProvider("--fault", "500") as bad:
        journals = {"good": Journal(good, tokens=TOKENS), "bad": Journal(bad, tokens=0)}
        with KillSite(folder, good, bad) as site:
            callers = Callers(site.ports, clients=clients)
            killer = Killer(site, random.Random(seed), callers)
            reader = _Reader(journals)
            try:
                killer.kill(kills)
                callers.go_on(bad)
            finally:
                callers.finish()
                reader.finish()
            site.settle()
            for journal in journals.values():
                journal.read()
            gateways = sum(times for name, times in killer.kills.items() if name != "control")
            return Outcome(
                kills=killer.kills,
                acknowledged=frozenset(callers.acknowledged),
                broken=frozenset(callers.broken),
                failures=frozenset(callers.failures),
                balance=balance(journals, ledger(site.state)),
                in_flight=gateways * clients // len(site.ports),
            )


class _Reader:
    """Reads journals in a thread of its own."""

    def __init__(self, journals: dict[str, Journal]) -> None:
        self._journals = journals
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def finish(self) -> None:
        self._enough.set()
        self._thread.join(60)

    def _read(self) -> None:
        while not self._enough.wait(READING):
            for journal in self._journals.values():
                journal.read()
