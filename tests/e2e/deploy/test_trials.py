"""Releases on trial on a real Docker engine: judged by what the edge has passed on, cut off, decided by somebody."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest

from modelwright.app.deploying.docker_host import docker_host
from modelwright.app.deploying.journeys import Journeys
from modelwright.app.deploying.reach import Site
from modelwright.app.deploying.sections.targets import TargetSection
from modelwright.app.deploying.supplies import Described, Supplies
from modelwright.app.system import SystemClock
from modelwright.core.deploying.edges import haproxy_command
from modelwright.core.deploying.front import EDGE_FOLDER, EDGE_VOLUME, PLAIN_PORT
from modelwright.core.deploying.journal import Entry, Taken
from modelwright.core.deploying.trials import Rise, Rules
from modelwright.core.deploying.workloads import Desired, Gate, Mount, Route, Workload
from modelwright.core.errors.deploying import LeaseHeld, OnTrial, Undone
from modelwright.deploy.carrying import Author
from tests.e2e.clients import patient
from tests.making.docker_host.engine import Engine
from tests.making.docker_host.images import HAPROXY, PYTHON
from tests.making.docker_target import Carried
from tests.making.ports import free_port

pytestmark = pytest.mark.e2e

APP = b"""
import http.server, os, signal, threading

VERSION = os.environ["VERSION"]


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(500 if VERSION.startswith("bad") and self.path != "/healthz" else 200)
        self.send_header("content-length", "0")
        self.send_header("x-version", VERSION)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("", 8080), Answers)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
JUDGED = Rise(steps=(50, 100), pause=1.0, rules=Rules(success_rate=0.99, calls=20, wait=60.0))
UNSEEN = Rise(steps=(50, 100), pause=0.1, rules=Rules(calls=20, wait=0.1))


class Place:
    """One project on the engine, and what its manifest would say."""

    def __init__(self, engine: Engine, project: str, keeper: str) -> None:
        self.port = free_port()
        self.contents = Carried()
        self._keeper = keeper
        self._site = Site(
            manifest=Path("modelwright.yaml"),
            project=project,
            environment="test",
            target=TargetSection.model_validate({"kind": "docker", "host": engine.url}),
            rise=Rise(),
        )

    def desired(self, version: str) -> Desired:
        app = Workload(
            name="api",
            kind="app",
            image=PYTHON,
            command=("python", "/app.py"),
            env={"VERSION": version},
            mounts=(Mount(path="/app.py", digest=self.contents.add(APP)),),
            port=8080,
            gate=Gate(path="/healthz"),
            grace=5.0,
        )
        still = msgspec.structs.replace(app, name="still", env={"VERSION": "v0"})
        edge = Workload(
            name="edge",
            kind="edge",
            image=HAPROXY,
            command=haproxy_command(),
            mounts=(Mount(path=EDGE_FOLDER, volume=EDGE_VOLUME, writable=True),),
            port=PLAIN_PORT,
            publish=(f"127.0.0.1:{self.port}>{PLAIN_PORT}",),
        )
        return Desired(
            project=self._site.project,
            environment=self._site.environment,
            workloads=(app, still, edge),
            routes=(Route(name="all", workload="api"), Route(name="still", workload="still", prefix="/still")),
        )

    @asynccontextmanager
    async def journeys(
        self, version: str, *, rise: Rise | None = None, hear: Callable[[Entry | LeaseHeld], None] = lambda _: None
    ) -> AsyncIterator[Journeys]:
        """As somebody has them whose manifest says this version."""

        async def describe(_: str) -> Described:
            return Described(desired=self.desired(version), contents=self.contents, keeper=self._keeper)

        supplies, author = Supplies(describe), Author(who="ada", where="desk")
        async with docker_host(self._site, supplies) as reached:
            yield Journeys(reached, supplies, author, rise=rise or Rise(), clock=SystemClock(), tell=hear)

    async def deploy(self, version: str, rise: Rise | None = None) -> None:
        async with self.journeys(version, rise=rise) as journeys:
            await journeys.settle()
            await journeys.deploy(await journeys.plan(exact=True))

    def ask(self, path: str = "/") -> tuple[int, str]:
        """Status and version; 0: nobody answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("x-version", "")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    @contextmanager
    def load(self) -> Iterator[Counter[tuple[int, str]]]:
        """Answers by status and version, while somebody asks."""
        answers, over = Counter[tuple[int, str]](), threading.Event()

        def ask() -> None:
            while not over.wait(0.01):
                answers[self.ask()] += 1

        client = threading.Thread(target=ask)
        client.start()
        try:
            yield answers
        finally:
            over.set()
            client.join()


@pytest.fixture
def place(docker_engine: Engine, docker_project: str, keeper_image: str) -> Place:
    return Place(docker_engine, docker_project, keeper_image)


async def test_a_trial_is_judged_by_what_the_edge_has_seen(place: Place) -> None:
    await place.deploy("v1")
    with place.load() as answers:
        patient(lambda: answers[200, "v1"] >= 5)
        with pytest.raises(
            Undone, match=r"r2 does not keep to the rules: .* of \d+ calls ended well, and 99.00% have to"
        ):
            await place.deploy("bad", JUDGED)
        assert place.ask() == (200, "v1")
        await place.deploy("v2", JUDGED)
        assert place.ask() == (200, "v2")
        async with place.journeys("v2") as journeys:
            assert (await journeys.plan()).steps == ()
            await journeys.roll_back(await journeys.back())
            assert place.ask() == (200, "v1")
            shares = [(one.release, one.share) for one in await journeys.history()]
            seen = (await journeys.standing()).observed
    assert {*answers} == {(200, "v1"), (200, "v2"), (500, "bad")}
    assert shares[0] == ("r1", 100)
    assert ("r2", 50) in shares
    assert seen.traffic["still"] == {"r1": 100}


async def test_a_trial_that_nobody_sees_is_held_and_ends_as_somebody_decides(place: Place) -> None:
    await place.deploy("v1")
    for verb, version, release in (("abort", "v1", "r2"), ("promote", "v2", "r3")):
        with pytest.raises(OnTrial):
            await place.deploy("v2", UNSEEN)
        async with place.journeys("v1") as journeys:
            assert (await journeys.standing()).observed.traffic["all"] == {release: 50, "r1": 50}
            await (journeys.abort() if verb == "abort" else journeys.promote())
        assert {place.ask() for _ in range(8)} == {(200, version)}


async def test_whoever_is_interrupted_leaves_what_another_one_ends(place: Place) -> None:
    await place.deploy("v1")
    begun = asyncio.Event()

    def hear(entry: Entry | LeaseHeld) -> None:
        if isinstance(entry, Taken) and entry.number == 2:
            begun.set()

    async def deploy() -> None:
        async with place.journeys("v2", hear=hear) as journeys:
            await journeys.deploy(await journeys.plan(exact=True))

    for verb, version in (("abort", "v1"), ("resume", "v2")):
        begun.clear()
        doing = asyncio.create_task(deploy())
        await begun.wait()
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doing
        assert place.ask() == (200, "v1")
        async with place.journeys("v2") as journeys:
            assert (await journeys.standing()).open is not None
            await (journeys.abort() if verb == "abort" else journeys.resume())
            assert (await journeys.standing()).drift is None
        assert place.ask() == (200, version)
