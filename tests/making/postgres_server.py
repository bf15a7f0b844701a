"""A real PostgreSQL server for tests, from the system's package: on a free port, in a scratch folder, ended by ids."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from tests.making.ports import free_port

PASSWORD = "planted-hunter2-of-postgres"
GUARDED = "guarded"
"""The user who needs it; `postgres` comes in without."""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",  # a crash of the process is survived all the same
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "password_encryption": "scram-sha-256",
    "timezone": "Asia/Shanghai",
    "log_min_messages": "fatal",
}
_QUIETLY = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c")
_INIT = ("-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "--wal-segsize=1")
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
"""It ends also when the tests are killed."""
_ACCESS = f"""\
local all all trust
host all {GUARDED},rotated all scram-sha-256
host all all all trust
"""


class PostgresServer:
    """`postgres`; it refuses to run as root, so root runs it as the package's user."""

    def __init__(self, *, programs: Path | None = None, **settings: str) -> None:
        self._bin = programs or _programs()
        self._settings = {**_SETTINGS, **settings}
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="mw-pg-"))
        """Outside of pytest's own, which no other user may enter."""
        self.port = free_port()
        self.data = self.folder / "data"
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        try:
            self._run("initdb", "-D", str(self.data), *_INIT)
            (self.data / "pg_hba.conf").write_text(_ACCESS)
            self.start()
            self.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, database: str = "postgres", *, user: str = "postgres", password: str = "", query: str = "") -> str:
        """An address as people write it."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}{f'?{query}' if query else ''}"

    def create(self, database: str, *, owner: str = "postgres") -> str:
        """A new database; its address."""
        self.execute(f'CREATE DATABASE "{database}" OWNER "{owner}"')
        return self.url(database)

    def execute(self, sql: str, *, database: str = "postgres") -> str:
        """Run SQL as the superuser; what it prints, unaligned."""
        done = subprocess.run(
            [
                self._bin / "psql",
                "-h",
                self.folder,
                "-p",
                str(self.port),
                "-U",
                "postgres",
                "-d",
                database,
                *_QUIETLY,
                sql,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextlib.contextmanager
    def offering_tls(self, certificate: Path, key: Path) -> Iterator[None]:
        """Beside what it offers otherwise; only meanwhile: TLS connections end after the loop that closes them."""
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            target = self.data / name
            target.write_bytes(source.read_bytes())
            target.chmod(0o600)
            if self._user:
                os.chown(target, self._user.pw_uid, self._user.pw_gid)
        self._set_tls("on")
        try:
            yield
        finally:
            self._set_tls("off")

    def _set_tls(self, value: str) -> None:
        """Until new connections have it."""
        self.execute(f"ALTER SYSTEM SET ssl = {value}")
        self.execute("SELECT pg_reload_conf()")
        end = time.monotonic() + 60
        while self.execute("SHOW ssl") != value:
            assert time.monotonic() < end, "the server does not read its settings again"
            time.sleep(0.02)

    def pause(self) -> None:
        """It answers nobody, and its port stays open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It answers again, also what was asked meanwhile."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Every process of it at once, as by a crash of the machine."""
        self.process.kill()
        self.process.wait(timeout=30)
        self._signal(signal.SIGKILL)

    def start(self) -> None:
        """Again, with what was committed."""
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *_WITH_US,
                    self._bin / "postgres",
                    "-D",
                    self.data,
                    "-p",
                    str(self.port),
                    "-k",
                    self.folder,
                    *settings,
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_user(),
            )
        for _ in range(3000):
            ready = subprocess.run(
                [self._bin / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)], check=False, timeout=30
            )
            if ready.returncode == 0:
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
        raise AssertionError("postgres does not answer")

    def close(self) -> None:
        """End it and remove what it has written."""
        if hasattr(self, "process"):
            self._signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        """Of all its processes: each has a connection of its own."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _pids(self) -> list[int]:
        found: list[int] = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.process.pid or int(fields[1]) == self.process.pid:
                    found.append(int(stat.parent.name))
        return [self.process.pid, *(pid for pid in found if pid != self.process.pid)]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=self.folder,
            **self._as_user(),
        )
        assert done.returncode == 0, done.stderr

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def _programs() -> Path:
    """Debian keeps each version's in a folder of its own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    program = found[-1] if found else shutil.which("postgres")
    assert program, "PostgreSQL is not installed: sh tests/system-packages.sh postgres"
    return Path(program).parent
