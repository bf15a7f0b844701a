"""Listening sockets that outlive the workers behind them: bound once, handed down, closed when nobody will answer."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import sys
from array import array
from pathlib import Path
from typing import Any

from modelwright.app.supervise.devices.holder import holder_of
from modelwright.core.addresses import join_address
from modelwright.core.errors.starting import PortInUse, StartError

BACKLOG = 2048
PATH_LIMIT = 108 if sys.platform == "linux" else 104
"""Bytes of a Unix socket's path with its final zero (sockaddr_un)."""


class TcpDoor:
    """A TCP port; port 0 is replaced by the free one that was found, and kept."""

    def __init__(self, place: str, host: str, port: int) -> None:
        self.place = place
        """Where the address stands, for error texts."""
        self.host = host
        self.port = port
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{join_address(host, self.port)}"

    def open(self) -> int:
        """Its file descriptor; bound again when it was closed. Raises PortInUse, or StartError for a bad address."""
        if self._socket is None:
            self._socket = self._bind()
            self.port = self._socket.getsockname()[1]
        return self._socket.fileno()

    def hush(self) -> None:
        """Accept no new connection, and lose none that is made: the kernel ignores their first packet from now on.

        The client's next attempt, a second later, finds the door closed and is refused. Linux only; elsewhere a
        connection that is made in the very moment of closing is reset.
        """
        if self._socket is not None and sys.platform == "linux":
            with contextlib.suppress(OSError):
                _drop_first_packets(self._socket)

    def close(self) -> None:
        """Callers are refused, once the workers have closed it too."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _bind(self) -> socket.socket:
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listening = socket.socket(family, kind, proto)
        except OSError as error:
            raise self._refused(error) from error
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening = self._opened(listening, address)
        except OSError as error:
            listening.close()
            raise self._refused(error) from error
        listening.setblocking(False)  # noqa: FBT003 - the only way to say it
        return listening

    def _opened(self, bound: socket.socket, address: Any) -> socket.socket:
        """What is to be kept of a socket that is bound there, alone; raises OSError."""
        bound.listen(BACKLOG)
        return bound

    def _refused(self, error: OSError) -> StartError:
        if error.errno == errno.EADDRINUSE:
            return PortInUse(
                f"port {self.port} on {self.host} is in use by {holder_of(self.port) or 'another process'}",
                place=self.place,
                hint="stop it, or choose another port; 0 picks a free one",
            )
        if error.errno == errno.EACCES:
            return StartError(
                f"port {self.port} may not be opened by this user", place=self.place, hint="choose a port above 1023"
            )
        return StartError(
            f"{join_address(self.host, self.port)} cannot be opened: {error.strerror or error}",
            place=self.place,
            hint="name an address of this machine, such as 127.0.0.1",
        )


class UnixDoor:
    """A Unix socket that only this user may open (0600)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket: socket.socket | None = None

    def open(self) -> int:
        """Its file descriptor; bound again when it was closed. Raises StartError."""
        if self._socket is None:
            self._socket = self._bind()
        return self._socket.fileno()

    def hush(self) -> None:
        """Nothing: its callers end before what it leads to."""

    def close(self) -> None:
        """Callers are refused at once: the name is gone."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self.path.unlink(missing_ok=True)

    def _bind(self) -> socket.socket:
        if len(os.fsencode(self.path)) >= PATH_LIMIT:
            raise StartError(
                f"{self.path} is too long for a socket: {len(os.fsencode(self.path))} bytes, {PATH_LIMIT - 1} at most",
                hint="set XDG_RUNTIME_DIR to a shorter folder, or shorten the model's name",
            )
        if self.path.exists() and stat.S_ISSOCK(self.path.lstat().st_mode):
            self.path.unlink()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(os.fspath(self.path))
            self.path.chmod(0o600)  # before anybody can connect; the umask is not ours alone, threads make files too
            listening.listen(BACKLOG)
        except OSError as error:
            listening.close()
            raise StartError(f"{self.path} cannot be opened: {error.strerror}") from error
        listening.setblocking(False)  # noqa: FBT003 - the only way to say it
        return listening


Door = TcpDoor | UnixDoor

_SO_ATTACH_FILTER = 26
# Classic BPF over the TCP header: byte 13 holds the flags; a packet with SYN (0x02) is dropped, all else passes.
_NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


def _drop_first_packets(listening: socket.socket) -> None:
    code = array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in _NO_SYN))
    program = struct.pack("@HP", len(_NO_SYN), code.buffer_info()[0])
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
