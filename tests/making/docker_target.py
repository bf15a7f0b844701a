"""Deploying to a Docker engine in tests: an image that keepers can run from, a small app, and a hold on a target.

The image has this checkout's package and nothing else that a keeper does not need; the app answers with its version,
its secret and whatever path it was asked for, and streams as long as it is told to.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import docker
import msgspec

from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.target import Prepared, docker_target
from modelwright.app.system import SystemClock
from modelwright.core.deploying.edges import haproxy_command
from modelwright.core.deploying.front import EDGE_FOLDER, EDGE_VOLUME, PLAIN_PORT
from modelwright.core.deploying.journal import Entry
from modelwright.core.deploying.made import secret_digest
from modelwright.core.deploying.steps import Plan
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, Gate, Mount, Route, Workload
from modelwright.core.errors.deploying import LeaseHeld
from modelwright.core.ports.deploying.targets import Target
from modelwright.deploy.carrying import Author, Carrier
from modelwright.deploy.planning import planned
from tests.making.carried import Carried
from tests.making.docker_host.images import BUSYBOX, HAPROXY, PYTHON

PASSWORD = b"correct horse battery"
APP = b"""
import http.server, os, signal, sys, threading, time

VERSION = os.environ["VERSION"]
SECRET = open("/run/secrets/password", "rb").read()


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/stream/"):
            return self.stream(float(self.path.rpartition("/")[2]))
        body = f"{VERSION} {len(SECRET)} {self.path}".encode()
        self.send_response(503 if VERSION.startswith("sick") else 200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, seconds):
        self.send_response(200)
        self.send_header("x-version", VERSION)
        self.send_header("connection", "close")
        self.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.wfile.write(b"data: more\\n\\n")
            time.sleep(0.1)
        self.wfile.write(b"data: [DONE]\\n\\n")
        self.close_connection = True

    def log_message(self, *_):
        pass


if VERSION.startswith("crash"):
    print("cannot log in with", SECRET.decode(), flush=True)
    sys.exit(3)
server = http.server.ThreadingHTTPServer(("", 8080), Answers)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
"""


def keeper_image(client: docker.DockerClient, project: str) -> str:
    """Made from what lies here; it belongs to `project`."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name in ("msgspec", "modelwright"):
            spec = find_spec(name)
            assert spec is not None
            assert spec.origin is not None
            archive.add(Path(spec.origin).parent, f"lib/{name}", filter=_no_caches)
        lines = f"FROM {PYTHON}\nCOPY lib /srv/lib\nENV PYTHONPATH=/srv/lib\nLABEL modelwright.project={project}\n"
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(lines)
        archive.addfile(member, io.BytesIO(lines.encode()))
    context.seek(0)
    image, _ = client.images.build(fileobj=context, custom_context=True, tag=f"{project}/keeper:test", rm=True)
    return str(image.id)


def _no_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


class Hold:
    """On one project's environment."""

    def __init__(self, target: Target, environment: Prepared, contents: Carried) -> None:
        self.target = target
        self.environment = environment
        self.contents = contents
        self.told: list[Entry | LeaseHeld] = []
        self.port = 0
        """Of the host, that leads to the edge; 0: there is none."""

    async def desired(self, version: str, *, replicas: int = 1, gate: float = 120.0, **changes: object) -> Desired:
        """An app by that version behind an edge."""
        salt = (await self.target.observer.observe()).salt
        secret = secret_digest(salt, PASSWORD)
        self.contents.by_digest[secret] = PASSWORD
        app = Workload(
            name="api",
            kind="app",
            image=PYTHON,
            command=("python", "/app.py"),
            env={"VERSION": version},
            mounts=(
                Mount(path="/app.py", digest=self.contents.add(APP)),
                Mount(path="/run/secrets/password", digest=secret, secret=True),
            ),
            port=8080,
            gate=Gate(path="/healthz", deadline=gate),
            replicas=replicas,
            grace=20.0,
        )
        names = self.environment.names
        return Desired(
            project=names.project,
            environment=names.environment,
            workloads=(msgspec.structs.replace(app, **changes), *self._edge()),
            routes=(Route(name="all", workload="api"),) if self.port else (),
            keep=2,
        )

    def quick(
        self, version: str, *, image: str = BUSYBOX, gate: float = 120.0, path: str = "/healthz", **changes: object
    ) -> Desired:
        """A file that says its version, served as soon as it is started; no edge, no secret."""
        app = Workload(
            name="api",
            kind="app",
            image=image,
            command=("busybox", "httpd", "-f", "-p", "8080", "-h", "/www"),
            mounts=(Mount(path="/www/healthz", digest=self.contents.add(version.encode())),),
            port=8080,
            gate=Gate(path=path, deadline=gate),
            grace=5.0,
        )
        names = self.environment.names
        return Desired(
            project=names.project,
            environment=names.environment,
            workloads=(msgspec.structs.replace(app, **changes),),
            routes=(Route(name="all", workload="api"),),
            keep=2,
        )

    async def plan(self, desired: Desired, release: str, rise: Rise | None = None) -> Plan:
        return planned(desired, await self.target.observer.observe(), release=release, rise=rise or Rise())

    async def deploy(self, desired: Desired, release: str, rise: Rise | None = None) -> str:
        """What becomes of it."""
        return await self.carrier.deploy(await self.plan(desired, release, rise))

    @property
    def carrier(self) -> Carrier:
        return Carrier(self.target, Author(who="ada", where="desk"), clock=SystemClock(), tell=self.told.append)

    def _edge(self) -> tuple[Workload, ...]:
        edge = Workload(
            name="edge",
            kind="edge",
            image=HAPROXY,
            command=haproxy_command(),
            mounts=(Mount(path=EDGE_FOLDER, volume=EDGE_VOLUME, writable=True),),
            port=PLAIN_PORT,
            publish=(f"127.0.0.1:{self.port}>{PLAIN_PORT}",),
        )
        return (edge,) if self.port else ()


@asynccontextmanager
async def held(
    url: str | Sequence[str],
    project: str,
    environment: str = "test",
    *,
    keeper: str,
    contents: Carried | None = None,
    builder: str = "",
) -> AsyncIterator[Hold]:
    """An environment that is prepared."""
    brought = contents or Carried()
    names = Names(project, environment)
    async with docker_target(url, names, keeper=keeper, contents=brought, clock=SystemClock(), builder=builder) as (
        target,
        there,
    ):
        await there.prepare()
        yield Hold(target, there, brought)
