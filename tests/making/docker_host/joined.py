"""Two real engines for tests, each in a network of its own as if it had a machine of its own, with a cable between.

Users join such engines by `docker swarm init` and `docker swarm join`; `Machine.found` and `Machine.join` do just that.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.clients import patient
from tests.making.docker_host.engine import Engine, NoEngineError, engine_apart

_NEW_NETWORK = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Machine:
    """One of them."""

    def __init__(self, engine: Engine, network: int, address: str) -> None:
        self.engine = engine
        self.address = address
        self._network = network

    @property
    def url(self) -> str:
        return self.engine.url

    def found(self) -> None:
        """A swarm of one."""
        self.engine.client.swarm.init(advertise_addr=self.address)

    def join(self, other: Machine) -> None:
        """That of another one."""
        other.engine.client.swarm.reload()
        token = other.engine.client.swarm.attrs["JoinTokens"]["Worker"]
        self.engine.client.swarm.join([f"{other.address}:2377"], token, advertise_addr=self.address)
        nodes = other.engine.client.nodes
        patient(lambda: [one.attrs["Status"]["State"] for one in nodes.list()] == ["ready", "ready"])

    def threads(self, count: int = 1) -> ThreadPoolExecutor:
        """What they do, they do in its network."""
        return ThreadPoolExecutor(count, initializer=_enter, initargs=(self._network,))

    def lose(self) -> None:
        """Nobody reaches it any more, and nobody was told."""
        _ip(self._network, "link", "set", "cable", "down")
        self.engine.end()


@contextlib.contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Up, and not joined. Raises NoEngineError where a network cannot reach over several."""
    _see_that_networks_reach()
    with _network() as one, _network() as two, _engine_in(one) as first, _engine_in(two) as second:
        link = ["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", f"/proc/self/fd/{two}"]
        _ip(one, *link, keeping=(two,))
        machines = Machine(first, one, "10.211.0.1"), Machine(second, two, "10.211.0.2")
        for machine, network in zip(machines, (one, two), strict=True):
            _ip(network, "addr", "add", f"{machine.address}/24", "dev", "cable")
            _ip(network, "link", "set", "cable", "up")
        try:
            yield machines
        finally:
            for machine in machines:
                machine.engine.end()


def _see_that_networks_reach() -> None:
    try:
        with _network() as network:
            _ip(network, "link", "add", "over", "type", "vxlan", "id", "1", "dstport", "4789")
    except (OSError, subprocess.SubprocessError) as error:
        raise NoEngineError(f"no networks over several Docker hosts for the tests (root, vxlan): {error}") from error


@contextlib.contextmanager
def _network() -> Iterator[int]:
    """A new one, as an open file; it goes with the last who uses it."""

    def make() -> int:
        _checked(_LIBC.unshare(_NEW_NETWORK))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    with ThreadPoolExecutor(1) as apart:
        network = apart.submit(make).result()
    try:
        _ip(network, "link", "set", "lo", "up")
        yield network
    finally:
        os.close(network)


def _engine_in(network: int) -> contextlib.AbstractContextManager[Engine]:
    return engine_apart(["nsenter", f"--net=/proc/self/fd/{network}", "--"], keeping=(network,))


def _enter(network: int) -> None:
    _checked(_LIBC.setns(network, _NEW_NETWORK))


def _ip(network: int, *words: str, keeping: tuple[int, ...] = ()) -> None:
    command = ["nsenter", f"--net=/proc/self/fd/{network}", "--", "ip", *words]
    subprocess.run(command, check=True, timeout=60, pass_fds=(network, *keeping))


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
