"""A real `modelwright up` for tests: started in a folder of its own, on free ports, ended by its process id.

with running(manifest, folder=tmp_path) as site:
    httpx.get(f"{site.public}/healthz"); site.key; site.part("serving-digits-0").pid
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec

from modelwright.core.status import PartStatus, Status
from tests.e2e.clients import ask, patient

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    """Lower-case names."""
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Site:
    """A running site."""

    def __init__(self, manifest: Path, process: subprocess.Popen[str], out: IO[str]) -> None:
        self.manifest = manifest
        self.process = process
        self.pid = process.pid
        self.lines: list[str] = []
        """What it has printed: `part_changed` events, the workers' log lines, and the status when it had settled."""
        self._settled: dict[str, Any] = {}
        self._reader = threading.Thread(target=self._read, args=(out,), daemon=True)
        self._reader.start()

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.manifest.parent / ".modelwright"

    @property
    def runtime(self) -> Path:
        """The runtime directory with the sockets."""
        return Path(msgspec.json.decode((self.state / "run.json").read_bytes())["runtime"])

    @property
    def public(self) -> str:
        """URL of the public door."""
        return self._settled["public"]

    @property
    def admin(self) -> str:
        """URL of the admin door."""
        return self._settled["admin"]

    @property
    def port(self) -> int:
        """Of the public door."""
        return urlsplit(self.public).port or 0

    @property
    def key(self) -> str:
        """The development key."""
        return (self.state / "keys" / "development").read_text().strip()

    @property
    def commands(self) -> list[str]:
        """What it says to paste."""
        return self._settled["commands"]

    def status(self) -> Status:
        """By `modelwright status --json`, in a process of its own."""
        found = modelwright("status", "-f", str(self.manifest), "--json")
        assert found.returncode == 0, found.stderr
        return msgspec.json.decode(found.stdout, type=Status)

    def watch(self) -> Status:
        """As the supervisor has written it down: quick, without the workers' numbers."""
        return msgspec.json.decode((self.runtime / "status.json").read_bytes(), type=Status)

    def part(self, name: str) -> PartStatus:
        """One part, as the supervisor sees it now."""
        return next(part for part in self.watch().parts if part.name == name)

    def wait_for(self, name: str, state: str, *, restarts: int = 0) -> PartStatus:
        """Until a part is in a state, after so many restarts."""
        patient(
            lambda: self.part(name).state == state and self.part(name).restarts >= restarts,
            waiting_for=f"{name} to be {state}; it is {self.part(name)}",
        )
        return self.part(name)

    def call(
        self, method: str, path: str, body: bytes | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request to the public door with the development key; headers given here win."""
        connection = http.client.HTTPConnection(urlsplit(self.public).netloc, timeout=60)
        sent = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and wait; its exit status."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait for its end; its exit status."""
        status = self.process.wait(timeout=90)
        self._reader.join(timeout=10)
        return status

    def wait_until_settled(self) -> None:
        """Until the start is over; fails when the process ends before."""
        patient(lambda: bool(self._settled) or self.process.poll() is not None, waiting_for="the start")
        assert self._settled, f"it ended with {self.process.poll()}: {self.lines[-20:]}"

    def write(self, text: str) -> None:
        """Change the manifest as an editor does: a new file in the old one's place."""
        part = self.manifest.with_suffix(".new")
        part.write_text(text)
        part.replace(self.manifest)

    def wait_until_known(self) -> None:
        """Until every gateway worker has seen every model's worker; fails when not all is ready."""
        assert self.watch().ready, self.watch().parts
        for part in self.watch().parts:
            if part.kind == "gateway":
                patient(partial(_sees_all, self.runtime / f"{part.name}.sock"), waiting_for=f"{part.name} to see all")

    def _read(self, out: IO[str]) -> None:
        with out:
            for line in out:
                self.lines.append(line)
                if line.startswith('{"name":') and '"parts":' in line:
                    self._settled = msgspec.json.decode(line)


@contextmanager
def running(
    manifest: Path | str,
    *,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
    ready: bool = True,
) -> Iterator[Site]:
    """Run a manifest, given as its path or as its text (written to `folder`), until the block ends.

    `env` adds variables, `options` options of `up`. Fails when not all is ready, unless `ready` is False.
    """
    path = manifest if isinstance(manifest, Path) else _written(manifest, folder)
    command = [*program(), "up", "-f", str(path), "--port", "0", "--admin-port", "0", "--json", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})}
    )
    assert process.stdout
    site = Site(path, process, process.stdout)
    try:
        site.wait_until_settled()
        if ready:
            site.wait_until_known()
        yield site
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
        site.end()


def quickstart(folder: Path) -> Path:
    """A copy of the quickstart's manifest with its files, so that tests leave nothing in the repository."""
    copy = folder / "quickstart"
    copy.mkdir(parents=True, exist_ok=True)
    for name in ("models", "prompts"):
        shutil.copytree(QUICKSTART / name, copy / name, dirs_exist_ok=True)
    for name in ("modelwright.yaml", "seven.json", "sum.json"):
        shutil.copy2(QUICKSTART / name, copy / name)
    return copy / "modelwright.yaml"


def program() -> list[str]:
    """The command line as a user has it."""
    return [str(Path(sys.executable).with_name("modelwright"))]


def modelwright(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([*program(), *arguments], capture_output=True, text=True, check=False, timeout=120, **options)


def pasted(site: Site, command: str) -> str:
    """Run a printed command as a user would: in a shell, in the repository's folder, after the export."""
    script = ["/bin/sh", "-c", f"{site.commands[0]}\n{command}"]
    ran = subprocess.run(script, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def paste_calls(site: Site) -> dict[str, str]:
    """Paste every call that it has printed: what each path answered, every time with 200."""
    answers: dict[str, str] = {}
    for line in site.commands:
        if "curl " in line:
            answer = pasted(site, line.replace("curl ", "curl -sS -w '\\n%{http_code} %{url_effective}' ", 1))
            body, _, told = answer.rpartition("\n")
            status, _, url = told.partition(" ")
            assert status == "200", (line, answer)
            answers[urlsplit(url).path] = body
    return answers


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self/stat").exists()


def kept(*folders: Path) -> dict[Path, bytes]:
    """What files of a running site hold; one that goes while they are read holds nothing."""
    found: dict[Path, bytes] = {}
    for path in (path for folder in folders for path in folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                found[path] = path.read_bytes()
    return found


def _sees_all(own: Path) -> bool:
    """Whether a gateway worker takes every model for ready."""
    with contextlib.suppress(OSError):
        return ask(own, "/v2/health/ready").status == 200
    return False


def _written(text: str, folder: Path | None) -> Path:
    assert folder is not None, "a manifest given as text needs a folder"
    path = folder / "modelwright.yaml"
    path.write_text(text)
    return path
