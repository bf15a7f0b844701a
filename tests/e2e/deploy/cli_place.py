"""An environment as a user has it: a manifest in a folder, and `modelwright` to deploy it; its page says a version."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.clients import patient
from tests.e2e.running import program
from tests.making.docker_host.images import BUSYBOX
from tests.making.ports import free_port

ENVIRONMENT = "test"
_MANIFEST = """\
schema: 1
name: {project}
build: {{network: host}}
target: here
targets: {{here: {{kind: docker, host: "${{env:DEPLOY_HOST}}", publish: {{http: "{door}"}}}}}}
routes: {{all: {{paths: {{/: web}}}}}}
apps:
  web: {{image: "{image}", command: "{command}", port: 8080, grace: 2s, gate: {gate}, env: {env}}}
"""
_SERVES = "sh -c 'mkdir -p /www; echo {version} > /www/index.html; exec httpd -f -vv -p 8080 -h /www'"


class CliPlace:
    """Of one project, on the host at `url`; commands may see other variables."""

    def __init__(self, folder: Path, project: str, url: str, *, port: int = 0, door: str = "127.0.0.1") -> None:
        self.folder, self.project, self.url = folder, project, url
        self.port = port or free_port()
        self._door = door
        self.write("v1")

    def write(
        self,
        version: str,
        *,
        command: str = "",
        image: str = BUSYBOX,
        gate: str = "{}",
        env: str = "{}",
    ) -> None:
        """What the manifest says of the app."""
        told = command or _SERVES.format(version=version)
        door = f"{self._door}:{self.port}"
        text = _MANIFEST.format(project=self.project, door=door, image=image, command=told, gate=gate, env=env)
        (self.folder / "modelwright.yaml").write_text(text)

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        command, env = [*program(), *words, "--env", ENVIRONMENT], self._environment(variables)
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=240
        )

    def begin(self, *words: str, **variables: str) -> Begun:
        """One that goes on by itself."""
        return Begun([*program(), *words, "--env", ENVIRONMENT], self.folder, self._environment(variables))

    def serves(self, version: str) -> bool:
        """Whether the page is this one, through the edge."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=30) as answer:
                return answer.read() == f"{version}\n".encode()
        except OSError:
            return False

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, "DEPLOY_HOST": self.url, **variables}


class Begun:
    """A command that runs beside."""

    def __init__(self, command: list[str], folder: Path, env: Mapping[str, str]) -> None:
        self._log = folder / f"{command[1]}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, words: str) -> None:
        """Until it has said this."""
        patient(lambda: words in self.said or self.process.poll() is not None, seconds=120, waiting_for=words)
        assert words in self.said, self.said

    def end(self) -> int:
        """Its exit status."""
        return self.process.wait(timeout=240)
