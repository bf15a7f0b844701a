"""Gateway workers and control on one state folder, killed and started again at random moments while clients call.

Without a supervisor, which would wait longer and longer before it starts what dies again and again.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.core.contracts.snapshot import Retries, Snapshot, Variant
from tests.contracts.asgi_server import Wire
from tests.e2e.clients import patient
from tests.e2e.gateway_site import (
    PEPPER,
    PROVIDER_KEY,
    DevProvider,
    chat_endpoint,
    events,
    head_of,
    remote,
    snapshot,
)
from tests.e2e.nursery import Life, Nursery

GATEWAYS = 2
LIVES = (0.0, 0.3)
"""Seconds that a worker lives before it may be killed: some are not even ready."""


class KillSite:
    """Two providers, one of which fails always, so that calls are retried; must be closed."""

    def __init__(self, folder: Path, good: DevProvider, bad: DevProvider) -> None:
        self.state = folder / ".modelwright"
        (self.state / "spool").mkdir(parents=True)
        self._folder = folder
        self._runtimes = {name: Path(tempfile.mkdtemp(prefix="mw-kill-")) for name in _names()}
        self._public = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(GATEWAYS)]
        self.ports: list[int] = [listening.getsockname()[1] for listening in self._public]
        self._own = {name: _bound(runtime / f"{name}.sock") for name, runtime in self._runtimes.items()}
        known = _snapshot(good, bad)
        for name, runtime in self._runtimes.items():
            (runtime / "base.json").write_bytes(msgspec.json.encode(known))
            if name != "control":
                (runtime / "snapshot.json").write_bytes(msgspec.json.encode(known))
            (runtime / "spec.json").write_bytes(msgspec.json.encode(self._spec(name)))
        inherited = [one.fileno() for one in (*self._public, *self._own.values())]
        self._nursery = Nursery(inherited, {"MODELWRIGHT_PEPPER": PEPPER, "PROVIDER_KEY": PROVIDER_KEY})
        self.lives = {name: self._start(name) for name in _names()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for life in self.lives.values():
            with contextlib.suppress(ProcessLookupError):
                life.kill()
        self._nursery.__exit__()
        for one in (*self._public, *self._own.values()):
            one.close()
        for runtime in self._runtimes.values():
            shutil.rmtree(runtime, ignore_errors=True)

    def kill(self, name: str) -> None:
        """SIGKILL; the next life begins at once."""
        self.lives[name].kill()
        self.lives[name] = self._start(name)

    def settle(self) -> None:
        """End the gateways as a drain does, until control has taken all in, then control."""
        for name in _names():
            if name != "control":
                self.lives.pop(name).stop()
        spool = self.state / "spool"
        patient(lambda: not list(spool.glob("*.jsonl")), waiting_for="the spool to be taken in")
        self.lives.pop("control").stop()

    def logged(self) -> str:
        """What all lives have printed."""
        return "".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def _start(self, name: str) -> Life:
        kind = name.partition("-")[0]
        return self._nursery.start(kind, self._runtimes[name] / "spec.json", self._folder / f"{name}.log")

    def _spec(self, name: str) -> PartSpec:
        sockets = {"own": self._own[name].fileno()}
        if name != "control":
            sockets["public"] = self._public[int(name.partition("-")[2])].fileno()
        return PartSpec(
            name=name,
            kind=name.partition("-")[0],
            runtime=str(self._runtimes[name]),
            state=str(self.state),
            base=str(self._folder),
            environment="development",
            grace=10.0,
            sockets=sockets,
        )


class Killer:
    """Kills workers at random moments; its number of kills is what was asked for.

    Each third time it waits until somebody has been answered since: slow machines would kill only what is starting.
    """

    def __init__(self, site: KillSite, chance: random.Random, callers: Callers) -> None:
        self.kills = dict.fromkeys(_names(), 0)
        self._site = site
        self._chance = chance
        self._callers = callers

    def kill(self, times: int) -> None:
        """Control once in six, and the gateways' turn otherwise."""
        due = {name: time.monotonic() + self._life(name) for name in _names()}
        for number in range(times):
            if number % 3 == 0:
                self._callers.wait_for_answers()
            name = min(due, key=lambda each: due[each])
            time.sleep(max(0.0, due[name] - time.monotonic()))
            self._site.kill(name)
            self.kills[name] += 1
            due[name] = time.monotonic() + self._life(name)

    def _life(self, name: str) -> float:
        return self._chance.uniform(*LIVES) * (3 if name == "control" else 1)


class Callers:
    """Clients that call one gateway each without a pause; every call has a user of its own, by which it is found."""

    def __init__(self, ports: Sequence[int], *, clients: int) -> None:
        self.acknowledged: set[str] = set()
        """Calls whose whole answer came."""
        self.broken: set[str] = set()
        """Calls that were sent and got no whole answer."""
        self.failures: set[str] = set()
        """What was answered that should not have been."""
        self._answers = dict.fromkeys(ports, 0)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(ports[number % len(ports)], f"c{number}"))
            for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for_answers(self) -> None:
        """Until every gateway has answered since."""
        before = dict(self._answers)
        patient(
            lambda: all(self._answers[port] > before[port] for port in before), waiting_for="an answer of each gateway"
        )

    def go_on(self, bad: DevProvider) -> None:
        """Until calls have been made that nobody kills, one of which this provider has failed."""
        self.wait_for_answers()
        seen = bad.seen()["received"]
        patient(lambda: bad.seen()["received"] > seen, waiting_for="a call to be tried again")

    def finish(self) -> None:
        """Until every client has had its last answer."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _call(self, port: int, client: str) -> None:
        number = 0
        while not self._stop.is_set():
            with contextlib.suppress(OSError), Wire(port) as wire:
                while not self._stop.is_set():
                    number += 1
                    if not self._converse(wire, f"{client}-{number}", stream=bool(number % 2)):
                        break
                    self._answers[port] += 1

    def _converse(self, wire: Wire, user: str, *, stream: bool) -> bool:
        """One call; whether the connection is still good."""
        question = {"model": "chat", "user": user, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
        body = msgspec.json.encode(question)
        try:
            wire.send(head_of(length=len(body)) + body)
            status, headers, answer = wire.answer()
        except (EOFError, OSError, ValueError):
            self.broken.add(user)
            return False
        if status != 200 or (stream and events(answer)[-1:] != ["[DONE]"]):
            self.failures.add(f"{user}: {status} {answer[-200:]!r}")
        self.acknowledged.add(user)
        return headers.get("connection") != "close"


def _names() -> list[str]:
    return ["control", *(f"gateway-{number}" for number in range(GATEWAYS))]


def _bound(path: Path) -> socket.socket:
    own = socket.socket(socket.AF_UNIX)
    own.bind(str(path))
    own.listen(64)
    return own


def _snapshot(good: DevProvider, bad: DevProvider) -> Snapshot:
    variants = (
        Variant(name="good", provider="good", model="vendor-model", weight=9),
        Variant(name="bad", provider="bad", model="vendor-model", weight=1),
    )
    chat = chat_endpoint(variants=variants, fallback=("good",), retries=Retries(attempts=0))
    providers = (remote(good.base_url, name="good"), remote(bad.base_url, name="bad"))
    return snapshot(good.base_url, endpoints=(chat,), providers=providers)
