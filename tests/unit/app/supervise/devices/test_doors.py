import os
import socket
import stat
from pathlib import Path

import pytest

from modelwright.app.supervise.devices.doors import TcpDoor, UnixDoor
from modelwright.core.errors.starting import PortInUse, StartError


def connect(door: TcpDoor) -> socket.socket:
    return socket.create_connection((door.host, door.port), timeout=5)


def test_port_zero_becomes_a_real_port_that_is_kept_when_the_door_is_opened_again() -> None:
    door = TcpDoor("gateway.listen", "127.0.0.1", 0)
    door.open()
    port = door.port
    assert port > 0
    connect(door).close()
    door.close()
    with pytest.raises(ConnectionRefusedError):
        connect(door)
    door.open()
    assert door.port == port
    connect(door).close()
    door.close()


def test_port_in_use_names_port_place_and_holder() -> None:
    held = TcpDoor("gateway.listen", "127.0.0.1", 0)
    held.open()
    with pytest.raises(PortInUse) as caught:
        TcpDoor("gateway.listen", "127.0.0.1", held.port).open()
    held.close()
    text = str(caught.value)
    assert text.startswith(f"gateway.listen: port {held.port} on 127.0.0.1 is in use by ")
    if Path("/proc/net/tcp").exists():
        assert f"(pid {os.getpid()})" in text


@pytest.mark.parametrize(("host", "port"), [("203.0.113.7", 0), ("no-such-host.invalid", 0)])
def test_address_that_is_not_ours_is_refused_with_a_remedy(host: str, port: int) -> None:
    with pytest.raises(StartError, match="name an address of this machine"):
        TcpDoor("gateway.listen", host, port).open()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("::", "http://[::1]:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_url_is_one_that_a_client_here_can_use(host: str, url: str) -> None:
    assert TcpDoor("gateway.listen", host, 80).url == url


def test_hushed_door_keeps_what_was_connected() -> None:
    door = TcpDoor("gateway.listen", "127.0.0.1", 0)
    listening = socket.socket(fileno=os.dup(door.open()))
    client = connect(door)
    door.hush()
    client.sendall(b"x")
    listening.settimeout(5)
    server, _ = listening.accept()
    assert server.recv(1) == b"x"
    for one in (client, server, listening):
        one.close()
    door.close()
    with pytest.raises(ConnectionRefusedError):
        connect(door)


def test_unix_door_is_for_this_user_alone_and_goes_when_closed(tmp_path: Path) -> None:
    door = UnixDoor(tmp_path / "control.sock")
    door.open()
    assert stat.S_IMODE(door.path.stat().st_mode) == 0o600
    door.close()
    assert not door.path.exists()
    door.open()
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.fspath(door.path))
    client.close()
    door.close()


def test_unix_door_replaces_the_socket_of_a_dead_run(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(os.fspath(path))
    dead.close()
    door = UnixDoor(path)
    door.open()
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.fspath(path))
    client.close()
    door.close()


def test_path_that_is_too_long_is_refused_before_the_kernel_does(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="too long for a socket"):
        UnixDoor(tmp_path / ("x" * 120 + ".sock")).open()
