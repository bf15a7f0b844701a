"""A real Redis server for tests, from the system's package: on a free port, in memory, ended by its process id."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from redis import Redis

from tests.making.ports import free_port


class RedisServer:
    """`redis-server`; the folder is for whatever it might write, `options` are its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed: sh tests/system-packages.sh redis-server"
        self._command = [program, "--save", "", "--appendonly", "no", "--dir", str(folder), "--bind", "127.0.0.1"]
        self._command += options
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def stop(self) -> None:
        """It answers nobody, and its port stays open."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It answers again, also what was asked meanwhile."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """It is gone, with all that it held."""
        self.process.kill()
        self.process.wait(timeout=30)

    def start(self) -> None:
        """Again, empty, on the same port."""
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*self._command, "--port", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(3000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as ping:
                ping.sendall(b"PING\r\n")
                if ping.recv(7) == b"+PONG\r\n":
                    return process
            assert process.poll() is None, "redis-server has ended"
            time.sleep(0.02)
        raise AssertionError("redis-server does not answer")


class RedisCluster:
    """Two nodes, of which the second has all slots: the first one can only point to it."""

    def __init__(self, folder: Path) -> None:
        self.nodes: list[RedisServer] = []
        self._buses: list[int] = []
        self._folder = folder
        for _ in range(2):
            self._add()

    def __enter__(self) -> Self:
        first, second = self.nodes
        self.tell(second, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        self.tell(first, "CLUSTER", "MEET", "127.0.0.1", second.port, self._buses[1])
        self._until(lambda: all("cluster_state:ok" in str(self.tell(node, "CLUSTER", "INFO")) for node in self.nodes))
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()

    @staticmethod
    def tell(node: RedisServer, *words: str | int) -> Any:
        """One command."""
        with Redis(port=node.port, decode_responses=True) as client:
            return client.execute_command(*words)

    def replicate(self) -> RedisServer:
        """A third node that holds what the second does."""
        second = self.nodes[1]
        replica = self._add()
        self.tell(second, "CLUSTER", "MEET", "127.0.0.1", replica.port, self._buses[2])
        master, own = self.tell(second, "CLUSTER", "MYID"), self.tell(replica, "CLUSTER", "MYID")
        self._until(lambda: own in str(self.tell(second, "CLUSTER", "NODES")))
        self._until(lambda: master in str(self.tell(replica, "CLUSTER", "NODES")))
        self.tell(replica, "CLUSTER", "REPLICATE", master)
        self._until(lambda: "master_link_status:up" in _lines(self.tell(replica, "INFO", "replication")))
        self.tell(second, "SET", "first", 1)  # one that has replicated nothing is not told of
        self._until(lambda: str(replica.port) in str(self.tell(second, "CLUSTER", "SLOTS")))
        return replica

    def _add(self) -> RedisServer:
        bus, home = free_port(), self._folder / f"node-{len(self.nodes)}"
        home.mkdir()
        options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "3000")
        options += ("--repl-diskless-sync-delay", "0")
        self.nodes.append(RedisServer(home, *options))
        self._buses.append(bus)
        return self.nodes[-1]

    @staticmethod
    def _until(done: Callable[[], bool]) -> None:
        for _ in range(3000):
            if done():
                return
            time.sleep(0.02)
        raise AssertionError("the cluster does not get there")

    def move(self, key: str) -> None:
        """The slot of this key from the second node to the first, with all that it holds."""
        target, source = self.nodes
        slot = self.tell(source, "CLUSTER", "KEYSLOT", key)
        ids = {node: self.tell(node, "CLUSTER", "MYID") for node in self.nodes}
        self.tell(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        self.tell(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        names = self.tell(source, "CLUSTER", "GETKEYSINSLOT", slot, 1000)
        if names:
            self.tell(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *names)
        for node in self.nodes:
            self.tell(node, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])


def _lines(found: Any) -> list[str]:
    """What INFO says, however the client has read it."""
    return [f"{name}:{value}" for name, value in found.items()] if isinstance(found, dict) else str(found).splitlines()
