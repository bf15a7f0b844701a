"""A real sshd for tests, in front of this very machine: own host key, own user's key, and a user's configuration.

A program that should know them gets `environment`: OpenSSH reads a user's configuration from the home of the account,
whatever HOME says, so an `ssh` that names ours comes first in PATH.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.making.ports import free_port

HOST = "box.test"
"""As it is called in the user's configuration."""
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
_SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
MaxSessions 100
SetEnv {variables}
"""
_CLIENT = """\
Host {host}
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/user_key
  UserKnownHostsFile {folder}/known_hosts
Host *
  IdentitiesOnly yes
  GlobalKnownHostsFile none
  IdentityAgent none
  BatchMode yes
"""


class SshHost:
    """`sshd`; commands on it see `variables` (DOCKER_HOST, above all)."""

    def __init__(self, folder: Path, *, variables: Mapping[str, str]) -> None:
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program, "sshd is not installed: sh tests/system-packages.sh sshd"
        self._client = shutil.which("ssh")
        self.folder = folder
        self.port = free_port()
        self.url = f"ssh://{HOST}"
        for name in ("host_key", "user_key", "strangers_key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name], check=True, timeout=60
            )
        (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
        self.known_hosts = folder / "known_hosts"
        self.trust()
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        shown = " ".join(f"{name}={value}" for name, value in variables.items()) or "NONE=none"
        (folder / "sshd_config").write_text(_SERVER.format(folder=folder, port=self.port, variables=shown))
        self._command = [*_WITH_US, program, "-D", "-e", "-f", str(folder / "sshd_config")]
        self.configure()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def environment(self) -> dict[str, str]:
        """For programs that should find the host by `url`."""
        return {"PATH": f"{self.folder / 'bin'}:{os.environ.get('PATH', '')}"}

    def configure(self, *, key: str = "user_key") -> None:
        """The user's configuration, with one of the keys."""
        text = _CLIENT.format(host=HOST, port=self.port, user=getpass.getuser(), folder=self.folder)
        (self.folder / "config").write_text(text.replace("user_key", key))
        wrapper = self.folder / "bin" / "ssh"
        wrapper.parent.mkdir(exist_ok=True)
        wrapper.write_text(f'#!/bin/sh\nexec {self._client} -F {self.folder}/config "$@"\n')
        wrapper.chmod(0o755)

    def trust(self, *, key: str = "host_key") -> None:
        """Whom the user takes this host to be: by another key it is a stranger that claims the name."""
        words = (self.folder / f"{key}.pub").read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {words[0]} {words[1]}\n")

    def forget(self) -> None:
        """The user has never seen this host."""
        self.known_hosts.write_text("")

    def start(self) -> None:
        """Again, on the same port."""
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        for _ in range(1500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
                if line.recv(4) == b"SSH-":
                    return
            assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
            time.sleep(0.02)
        raise AssertionError("sshd does not answer")

    def kill(self) -> None:
        """It is gone; its port is closed. Sessions that it has begun live on."""
        self.process.kill()
        self.process.wait(timeout=30)

    def cut(self) -> None:
        """Its sessions end at once, as by a network that is gone; new ones are let in."""
        for pid in self._sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def hang(self) -> None:
        """It lets nobody in and refuses nobody, until it is killed."""
        self.process.send_signal(signal.SIGSTOP)

    def _sessions(self) -> list[int]:
        """Processes that it has begun, and those that these have, while it has ended none of them."""
        found, grown = {self.process.pid}, True
        while grown:
            parents = {pid: parent for pid, parent in map(_parentage, Path("/proc").glob("[0-9]*/stat")) if pid}
            grown = bool(more := {pid for pid, parent in parents.items() if parent in found} - found)
            found |= more
        return sorted(found - {self.process.pid})


def _parentage(stat: Path) -> tuple[int, int]:
    """A process and its parent; (0, 0) when it is gone."""
    with contextlib.suppress(OSError):
        return int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])
    return 0, 0
