"""A project on this machine without Docker: deployed, changed under load, left by its keeper, rolled back, on trial."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.clients import patient
from tests.making.local_site import end_keeper, local_site
from tests.making.postgres_server import PostgresServer

pytestmark = pytest.mark.e2e


def test_releases_follow_each_other_as_plain_processes(tmp_path: Path, postgres: PostgresServer) -> None:
    with local_site(tmp_path, postgres.create("local_target")) as site:
        assert "create" in site.done("plan", "--json")
        assert not site.environment.exists()
        site.done("deploy", "--yes")
        assert site.ask("/half") == (200, "v1", b"4.0")
        assert "planted-word" not in "".join(path.read_text() for path in site.environment.glob("processes/*.json"))

        site.say("v2", "two")
        with site.load() as answers:
            patient(lambda: answers[200, "v1"] >= 10)
            site.done("deploy", "--yes", "--at-once")
            patient(lambda: answers[200, "v2"] >= 10)
            before = site.running()
            end_keeper(site.environment, signal.SIGKILL)
            assert "r2" in site.done("releases")
            assert site.running() == before
        assert {*answers} == {(200, "v1"), (200, "v2")}
        os.kill(before["api.r2.0"].pid, signal.SIGKILL)
        patient(lambda: site.running().get("api.r2.0", before["api.r2.0"]).restarts == 1)

        with site.load() as answers:
            patient(lambda: answers[200, "v2"] >= 10)
            answers.clear()
            site.done("rollback", "--yes")
            patient(lambda: answers[200, "v1"] >= 10)
        assert {*answers} <= {(200, "v1"), (200, "v2")}
        assert site.ask() == (200, "v1", b"one")

        site.done("deploy", "--yes")
        before = site.running()
        assert {*before} >= {"api.r1.0", "api.r3.0", "edge", "gateway.r1.0"}
        os.kill(before["edge"].pid, signal.SIGKILL)
        patient(lambda: site.running().get("edge", before["edge"]).pid != before["edge"].pid)
        with site.load() as answers:
            patient(lambda: answers[200, "v1"] >= 1 and answers[200, "v2"] >= 1)
        site.done("promote")
        assert {site.ask()[1:] for _ in range(10)} == {("v2", b"two")}
        assert {*site.running()} == {"api.r3.0", "edge", "gateway.r1.0"}
