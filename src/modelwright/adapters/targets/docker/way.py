"""The way to a Docker engine on another machine: the user's own ssh and configuration, and what it complains of."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from docker.errors import DockerException

_CONNECT = 20.0
_CHANGED = "HOST IDENTIFICATION HAS CHANGED"
_REMEDIES = {
    "open failed": "see that Docker runs there, that this user may use it, by the group docker, and that its socket is"
    " /var/run/docker.sock: `ssh://HOST/PATH` names another one",
    "Permission denied": "see that your key is on the host: `ssh` has to let you in without a question",
    _CHANGED.lower(): "find out why the host shows another key than before; if it was set up anew,"
    " `ssh-keygen -R HOST`",
    "Host key verification failed": "meet the host once by `ssh HOST`, and compare the fingerprint that it shows",
    "Could not resolve hostname": "see that its name is right, there or in ~/.ssh/config",
    "Connection refused": "see that the host is up and that sshd answers at this port",
    "timed out": "see that the host is up and that no firewall is on the way to it",
    "No route to host": "see that the host is up and that no firewall is on the way to it",
}


def remedy(words: str) -> str:
    """For what ssh has said."""
    found = (hint for known, hint in _REMEDIES.items() if known.lower() in words.lower())
    return next(found, "see that `ssh` to it works, and that Docker runs there and its user may use it")


class Way:
    """Leads a socket of this machine to the engine's on another one; gone when this process is, however that went."""

    def __init__(self, host: str) -> None:
        parts = urlsplit(host)
        self._folder = tempfile.TemporaryDirectory(prefix="modelwright-")
        socket = Path(self._folder.name) / "docker.sock"
        self.url = f"unix://{socket}"
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the rest
        there = f"{parts.username}@{parts.hostname}" if parts.username else str(parts.hostname)
        options = ["-oBatchMode=yes", "-oExitOnForwardFailure=yes", "-oServerAliveInterval=10", "-oControlPath=none"]
        options += [f"-oConnectTimeout={_CONNECT:.0f}", *(["-p", str(parts.port)] if parts.port else [])]
        forward = f"-L{socket}:{parts.path or '/var/run/docker.sock'}"
        self._ssh = subprocess.Popen(
            ["ssh", *options, forward, "--", there, "echo up; exec cat"],  # noqa: S607 - the user's own
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )
        assert self._ssh.stdout is not None  # noqa: S101 - a pipe, as was asked for
        late = threading.Timer(2 * _CONNECT, self._ssh.kill)  # a shell there that hangs says nothing, for ever
        late.start()
        up = self._ssh.stdout.readline() == b"up\n"
        late.cancel()
        if not up:
            self._ssh.wait()
            words = self.said() or "ssh has ended without a word"
            self.close()
            raise DockerException(words)

    def close(self) -> None:
        if self._ssh.stdin is not None:
            self._ssh.stdin.close()
        try:
            self._ssh.wait(2.0)
        except subprocess.TimeoutExpired:
            self._ssh.kill()
            self._ssh.wait()
        if self._ssh.stdout is not None:
            self._ssh.stdout.close()
        self._said.close()
        self._folder.cleanup()

    def said(self) -> str:
        """The last of what ssh has to complain about; what else decides about the remedy, before it."""
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        if any(_CHANGED in line for line in lines):
            return f"the {_CHANGED.lower()}"
        return lines[-1].strip() if lines else ""
