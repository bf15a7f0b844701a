"""A port that is held for a worker: nobody else gets it, the worker does, and nobody is answered before."""

from __future__ import annotations

import socket

import pytest

from modelwright.app.supervise.devices.held_port import HeldPort
from modelwright.core.errors.starting import PortInUse


def test_a_held_port_is_opened_by_who_knows_how_and_refused_to_others() -> None:
    door = HeldPort("gateway.grpc", "127.0.0.1", 0)
    door.open()
    try:
        assert door.port
        assert door.url == door.address == f"127.0.0.1:{door.port}"
        with pytest.raises(OSError, match="in use"), socket.socket() as other:
            other.bind(("127.0.0.1", door.port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", door.port), timeout=5)
        for _ in range(2):
            with socket.socket() as worker:
                worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                worker.bind(("127.0.0.1", door.port))
                worker.listen()
                socket.create_connection(("127.0.0.1", door.port), timeout=5).close()
        door.hush()
    finally:
        door.close()
    with socket.socket() as other:
        other.bind(("127.0.0.1", door.port))


def test_a_port_of_somebody_else_is_not_shared() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortInUse) as caught:
            HeldPort("gateway.grpc", "127.0.0.1", other.getsockname()[1]).open()
        assert caught.value.place == "gateway.grpc"
