"""A real registry of images for tests, from the system's package: on a free loopback port, ended by its process id."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.making.ports import free_port

_CONFIGURATION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}/images}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()


class RegistryServer:
    """`docker-registry`: images are `{address}/name:tag`; engines speak plain HTTP to a loopback address."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("docker-registry") or shutil.which("registry")
        assert program, "docker-registry is not installed: sh tests/system-packages.sh docker-registry"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        settings = folder / "registry.yaml"
        settings.write_text(_CONFIGURATION.format(folder=folder, port=self.port))
        self._log = folder / "registry.log"
        self._command = [*_WITH_US, program, "serve", str(settings)]
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Again, on the same port and with the images that it had."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)
        for _ in range(1500):
            if self._answers():
                return
            assert self.process.poll() is None, self._log.read_text()
            time.sleep(0.02)
        raise AssertionError("the registry does not answer")

    def kill(self) -> None:
        """It is gone; its port is closed."""
        self.process.kill()
        self.process.wait(timeout=30)

    def delete(self, name: str, digest: str) -> None:
        """Forget a manifest, as a clean-up of old images does. An engine may have kept it for a while."""
        assert self._ask("DELETE", f"/v2/{name}/manifests/{digest}") == 202

    def has(self, name: str, digest: str) -> bool:
        """Whether a manifest is there."""
        return self._ask("GET", f"/v2/{name}/manifests/{digest}") == 200

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self._ask("GET", "/v2/") == 200
        return False

    def _ask(self, method: str, path: str) -> int:
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=30)) as connection:
            connection.request(method, path, headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"})
            return connection.getresponse().status
