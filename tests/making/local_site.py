"""A project that is deployed to this machine as plain processes: its files, its user's commands, and its end."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from modelwright.adapters.targets.local.kernel import started
from modelwright.adapters.targets.local.session import keeper_of
from modelwright.adapters.targets.processes import Running
from tests.e2e.clients import patient
from tests.e2e.running import modelwright
from tests.making.ports import free_port

MANIFEST = """\
schema: 1
name: notes
models:
  halve: {engine: {kind: "python:halve:Halve"}, check: ./check.json}
apps:
  api:
    build: ./api
    port: 8080
    command: PYTHON server.py --port $PORT
    release_command: sh -c 'echo $VERSION migrated'
    env: {VERSION: v1, MODEL: "${gateway:url}", KEY: "${key:api}", WORD: "${secret:WORD}"}
store: {database: "${secret:DATABASE_URL}"}
routes: {all: {paths: {/: api}}}
targets: {here: {kind: local, publish: {http: "127.0.0.1:PUBLIC"}, keep_releases: 2}}
rollout: {steps: [50%], pause: 500ms, gates: {wait: 500ms}, on_no_data: advance}
environments: {test: {target: here}}
"""
SERVER = """\
import http.server, os, signal, sys, threading, urllib.request

VERSION, SAYS = os.environ["VERSION"], "one"
with open(os.environ["WORD_FILE"]) as file:
    assert file.read() == os.environ["WORD"]


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = SAYS.encode()
        if self.path == "/half":
            headers = {"authorization": f"Bearer {os.environ['KEY']}", "content-type": "application/json"}
            asked = urllib.request.Request(f"{os.environ['MODEL']}/predict/halve", b'{"value": 8}', headers)
            with urllib.request.urlopen(asked) as answer:
                body = answer.read()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Answers)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
"""
MODEL = """\
class Halve:
    def predict(self, value: float) -> float:
        return value / 2
"""


class LocalSite:
    """Below a folder: the project's files, and where its environments are kept."""

    def __init__(self, folder: Path, database: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._manifest = folder / "modelwright.yaml"
        self._state = folder / "state"
        self._env: Mapping[str, str] = {
            **os.environ,
            "DATABASE_URL": database,
            "WORD": "planted-word-of-the-app",
            "XDG_STATE_HOME": str(self._state),
        }
        (folder / "api").mkdir()
        (folder / "api" / "server.py").write_text(SERVER)
        (folder / "halve.py").write_text(MODEL)
        (folder / "check.json").write_text('{"value": 4}')
        self._manifest.write_text(MANIFEST.replace("PYTHON", sys.executable).replace("PUBLIC", str(self.port)))

    @property
    def environment(self) -> Path:
        return self._state / "modelwright" / "notes.test"

    @property
    def keeper(self) -> int:
        return keeper_of(self.environment)

    def say(self, version: str, words: str) -> None:
        """Change the app's variable, and its code."""
        text = self._manifest.read_text()
        self._manifest.write_text(text.replace("VERSION: v1", f"VERSION: {version}"))
        code = self._folder / "api" / "server.py"
        code.write_text(code.read_text().replace('"one"', f'"{words}"'))

    def run(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A user's command."""
        return modelwright(verb, *arguments, "-f", str(self._manifest), "--env", "test", env=self._env)

    def done(self, verb: str, *arguments: str) -> str:
        """A command that ends well; what it says."""
        ran = self.run(verb, *arguments)
        logs = "\n".join(path.read_text()[-2000:] for path in self.environment.glob("**/*.log"))
        assert ran.returncode == 0, (ran.stdout, ran.stderr, logs)
        return ran.stdout

    def running(self) -> dict[str, Running]:
        """By name, as they are written down."""
        files = (self.environment / "processes").glob("*.json")
        found = [msgspec.json.decode(path.read_bytes(), type=Running) for path in files]
        return {one.process.name: one for one in found if one.pid}

    def ask(self, path: str = "/") -> tuple[int, str, bytes]:
        """Status, version and body, through the edge."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("x-version", ""), answer.read()
        finally:
            connection.close()

    @contextmanager
    def load(self) -> Iterator[Counter[tuple[int, str] | str]]:
        """Clients that ask one after the other: answers by status and version."""
        answers, over = Counter[tuple[int, str] | str](), threading.Event()

        def ask() -> None:
            while not over.wait(0.01):
                try:
                    answers[self.ask()[:2]] += 1
                except (OSError, http.client.HTTPException) as error:
                    answers[repr(error)] += 1

        client = threading.Thread(target=ask)
        client.start()
        try:
            yield answers
        finally:
            over.set()
            client.join()

    def end(self) -> None:
        """All of it, by its keeper: whatever runs after that is an error."""
        running, keeper = self.running(), self.keeper
        if keeper:
            end_keeper(self.environment, signal.SIGTERM)
        for one in running.values():
            if not keeper and started(one.pid) == one.started:
                os.killpg(one.pid, signal.SIGKILL)
            assert not keeper or started(one.pid) != one.started, one


def end_keeper(environment: Path, number: int) -> None:
    """By a signal to it alone: 0 would be this process's whole group."""
    keeper = keeper_of(environment)
    assert keeper > 0, "no keeper runs"
    os.kill(keeper, number)
    patient(lambda: not keeper_of(environment), waiting_for="the keeper to end")


@contextmanager
def local_site(folder: Path, database: str) -> Iterator[LocalSite]:
    """Ended with all that runs of it."""
    site = LocalSite(folder, database)
    try:
        yield site
    finally:
        site.end()
