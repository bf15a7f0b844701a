"""Starts a process so that it runs only when it is written down that it does; its log survives whoever starts it."""

from __future__ import annotations

import errno
import itertools
import os
import random
import re
import shutil
import socket
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from modelwright.adapters.targets.local.kernel import MARK
from modelwright.adapters.targets.processes import Process
from modelwright.core.addresses import split_address

LOGGED = 10 << 20
"""Bytes of a log; what was there before is kept as often again."""
_GO = 'read -r go || exit 125; exec "$@" </dev/null'
_ONCE = 'read -r go || exit 125; "$@" </dev/null; status=$?; echo $status >"$0.part" && mv "$0.part" "$0"; exit $status'
_HANDED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")
"""Variables that every process has from whoever started the keeper; nothing else of that is theirs."""
_VARIABLE = re.compile(r"\$(?:\{([A-Z_]+)\}|([A-Z_]+)\b)")
_ADMIN = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where servers lie; not all users look there."""
_PORTS = (30_000, 32_700)
"""Below those that systems give to outgoing connections, which might take one while its owner is started again."""
_KEEPERS, _OWN_FIRST = 32, 100
"""Keepers that look at ports of their own, and how often, before they look at all: a port may be given, and not bound
yet.
"""


def handed(env: Mapping[str, str]) -> dict[str, str]:
    """What of a user's variables programs get."""
    kept = {name: value for name, value in env.items() if name in _HANDED}
    return {**kept, "PATH": f"{env.get('PATH', os.defpath)}:{_ADMIN}"}


def lay(process: Process, folder: Path) -> None:
    """Its folder, with what it finds there; files are other names of the same, and folders are linked."""
    clear(folder)
    folder.mkdir(mode=0o700, parents=True)
    for name, source in process.files.items():
        place = folder / name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if Path(source).is_dir():
            place.symlink_to(source)
        else:
            os.link(source, place)


def clear(folder: Path) -> None:
    """It is gone, also where it is read-only."""
    if folder.is_symlink() or not folder.exists():
        return
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)
    shutil.rmtree(folder)


def launched(
    process: Process, *, ports: Mapping[str, int], folder: Path, log: Path, mark: str, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """It waits for a line on its standard input before it becomes the program. Raises OSError."""
    own = {**process.env, **{name: _read(path) for name, path in process.secrets.items()}}
    variables = {**env, **{name: _filled(value, process.fills) for name, value in own.items()}}
    variables |= {name: str(port) for name, port in ports.items()}
    command = [_with_ports(_filled(word, process.fills), ports) for word in process.command]
    shell = ("/bin/sh", "-c", *((_ONCE, str(status_of(folder))) if process.once else (_GO, process.name)))
    trim(log)
    with log.open("ab") as out:
        return subprocess.Popen(
            [*shell, *command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            cwd=process.folder or folder,
            env={**variables, MARK: mark},
            start_new_session=True,
        )


def go(child: subprocess.Popen[bytes]) -> None:
    """It may be the program now."""
    if child.stdin is not None:
        try:
            child.stdin.write(b"go\n")
            child.stdin.close()
        except OSError:  # it has ended already
            child.stdin = None


def status_of(folder: Path) -> Path:
    """Where a process that is run once leaves its status, for whoever looks."""
    return folder / ".status"


def trim(log: Path) -> None:
    """It starts anew when it is long; what is written at this moment may be lost."""
    try:
        if log.stat().st_size > LOGGED:
            shutil.copyfile(log, log.with_suffix(".old"))
            os.truncate(log, 0)
    except FileNotFoundError:
        return


def free_ports(names: Collection[str], taken: Collection[int]) -> dict[str, int]:
    """One for each name that nobody listens on."""
    found: dict[str, int] = {}
    chance = random.SystemRandom()
    for tried in itertools.count():
        if len(found) == len(names):
            break
        step = _KEEPERS if tried < _OWN_FIRST else 1
        port = chance.randrange(_PORTS[0] + os.getpid() % step, _PORTS[1], step)
        if port in taken or port in found.values():
            continue
        try:
            with socket.create_server(("127.0.0.1", port)):
                found[[*names][len(found)]] = port
        except OSError:
            continue
    return found


def is_taken(address: str) -> bool:
    """Whether a program listens there; whatever else keeps one from listening is not asked."""
    host, port = split_address(address)
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return False
    except OSError as error:
        return error.errno == errno.EADDRINUSE


def _with_ports(text: str, ports: Mapping[str, int]) -> str:
    def port(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return str(ports[name]) if name in ports else found[0]

    return _VARIABLE.sub(port, text)


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text


def _read(path: str) -> str:
    return Path(path).read_text("utf-8").rstrip("\n")
