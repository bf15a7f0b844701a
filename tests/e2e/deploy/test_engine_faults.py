"""What becomes of deploys when the engine itself goes away and comes back, and when its disk is full."""

from __future__ import annotations

import asyncio
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError

from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.target import docker_target
from modelwright.app.system import SystemClock
from modelwright.core.deploying.front import PLAIN_PORT
from tests.e2e.clients import patient
from tests.e2e.deploy.cli_place import ENVIRONMENT, CliPlace
from tests.making.docker_host.engine import Engine
from tests.making.docker_host.images import BUSYBOX
from tests.making.docker_host.own_engine import OwnEngine, own_engine
from tests.making.docker_host.projects import LABEL
from tests.making.docker_target import Carried

pytestmark = pytest.mark.e2e


async def test_an_engine_that_restarts_in_the_middle_of_a_deploy_and_has_no_room_for_the_next(
    docker_engine: Engine, docker_project: str, tmp_path: Path
) -> None:
    with own_engine() as own:
        place = CliPlace(tmp_path, docker_project, own.url, door="0.0.0.0")
        names, here = Names(docker_project, ENVIRONMENT), docker_engine.environment
        first = place.begin("deploy", "--yes", **here)  # its images may have to be built
        assert first.end() == 0, first.said
        await _restarted_in_the_middle(own, place, names, here)
        _filled_up(docker_engine, own, place, here)
        patient(lambda: said(own, names) == {"v1": 10}, waiting_for="the first release alone")


async def _restarted_in_the_middle(own: OwnEngine, place: CliPlace, names: Names, here: dict[str, str]) -> None:
    """Of a trial, which is watched for minutes."""
    place.write("v2")
    begun = place.begin("deploy", "--yes", "--canary", "50%", **here)
    begun.wait_for("done: record r2")
    patient(lambda: said(own, names) == {"v1": 5, "v2": 5}, waiting_for="half of the traffic")
    own.stop()
    assert await asyncio.to_thread(begun.end) == 10, begun.said
    assert re.search(r"stopped at .*watch.*: go on with `modelwright resume`, or back with", begun.said), begun.said
    own.start()
    patient(lambda: said(own, names) == {"v1": 5, "v2": 5}, seconds=120, waiting_for="the same releases and weights")
    async with docker_target(own.url, names, contents=Carried(), clock=SystemClock()) as (target, kept):
        lease = (await kept.memory()).lease
        assert lease is not None
        await target.leases.leave(lease)  # it would run out; the contract of leases shows that
    undone = place.run("abort", **here)
    assert undone.returncode == 0, undone.stderr
    patient(lambda: said(own, names) == {"v1": 10}, waiting_for="the first release alone")


def _filled_up(engine: Engine, own: OwnEngine, place: CliPlace, here: dict[str, str]) -> None:
    made = io.BytesIO(f"FROM {BUSYBOX}\nLABEL {LABEL}={place.project}\nRUN head -c 64m /dev/zero >/large".encode())
    image, _ = engine.client.images.build(fileobj=made, tag=f"{place.project}/large:1", rm=True)
    own.fill(32 << 20)
    place.write("v3", image=str(image.tags[0]))
    full = place.run("deploy", "--yes", **here)
    assert full.returncode == 11, full.stderr
    assert f"bring {image.tags[0]}" in full.stderr
    assert "no space left on device" in full.stderr
    assert "make room on the target's disk" in full.stderr


def said(own: OwnEngine, names: Names) -> Counter[str]:
    """Ten answers of the edge, by version, as somebody inside hears them; none while it does not answer."""
    ask = f"for n in 1 2 3 4 5 6 7 8 9 10; do wget -qO- http://edge:{PLAIN_PORT}/ || exit 1; done"
    try:
        web = own.engine.client.containers.get(names.container("web", "r1"))
        found: Any = web.exec_run(["sh", "-c", ask], stderr=False)
    except APIError:
        return Counter()
    return Counter(found.output.decode().split() if found.exit_code == 0 else ())
