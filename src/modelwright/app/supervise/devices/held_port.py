"""A TCP port that a worker opens itself, since its library takes no socket: held here, and never listened at."""

from __future__ import annotations

import socket
from typing import Any

from modelwright.app.supervise.devices.doors import TcpDoor
from modelwright.core.addresses import join_address


class HeldPort(TcpDoor):
    """Others are refused the port as long as it is held; the worker opens it beside us, by SO_REUSEPORT."""

    @property
    def url(self) -> str:
        """Where a client on this machine finds it; gRPC names no scheme."""
        return super().url.removeprefix("http://")

    @property
    def address(self) -> str:
        """What the worker opens."""
        return join_address(self.host, self.port)

    def hush(self) -> None:
        """Nothing: the worker says itself that it takes no more."""

    def _opened(self, bound: socket.socket, address: Any) -> socket.socket:
        """Held anew in such a way that another socket may be opened there; that nobody else has it was just seen."""
        held = socket.socket(bound.family, bound.type, bound.proto)
        try:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            port = bound.getsockname()[1]
            bound.close()
            held.bind((address[0], port, *address[2:]))
        except OSError:
            held.close()
            raise
        return held
