"""A site whose PostgreSQL is stopped, killed, cut off and locked under load: calls go on, no row is lost or doubled."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwright.app.supervise.ask import Answer
from tests.e2e.clients import Hammer, ask, patient
from tests.e2e.gateway_site import CHAT, QUESTION, DevProvider
from tests.e2e.running import Site, running
from tests.making.postgres_server import GUARDED, PASSWORD, PostgresServer

pytestmark = pytest.mark.e2e
MANIFEST = """\
schema: 1
name: faults
providers:
  dev: {{kind: vllm, base_url: "{url}"}}
endpoints:
  chat: {{variants: {{a: {{provider: dev, model: one}}}}}}
store: {{database: "${{secret:DATABASE_URL}}"}}
"""


class Place:
    """A site with a load on it, and the server that holds its state."""

    def __init__(self, site: Site, server: PostgresServer, provider: DevProvider) -> None:
        self.site, self.server = site, server
        self._provider = provider
        provider.fails()

    def load(self) -> Hammer:
        body = json.dumps(QUESTION).encode()
        return Hammer(self.site.port, CHAT, connections=8, body=body, Authorization=f"Bearer {self.site.key}")

    def cut(self) -> None:
        """Every connection of the site, in the middle of whatever it does."""
        every = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'modelwright'"
        self.server.execute(every)

    def revoke(self, key: str) -> Answer:
        return ask(self.site.runtime / "control.sock", f"/keys/{key}", method="DELETE")

    def is_behind(self) -> bool:
        return any("cannot be taken in now" in line for line in self.site.lines)

    def settled(self) -> None:
        """Every request that the provider has got is a row with an outcome, once."""
        asked = self._provider.seen()["received"]
        told = "SELECT count(*), count(DISTINCT call), count(*) FILTER (WHERE outcome = 'ok') FROM modelwright.ledger"
        patient(
            lambda: self.server.execute(told, database="site") == f"{asked}|{asked}|{asked}",
            waiting_for=f"{asked} rows; there are {self.server.execute(told, database='site')}",
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("faults")
    with PostgresServer() as server, DevProvider() as provider:
        url = server.create("site", owner=GUARDED).replace("postgres@", f"{GUARDED}:{PASSWORD}@")
        text = MANIFEST.format(url=provider.base_url)
        with running(text, folder=folder, env={"DATABASE_URL": url}) as site:
            yield Place(site, server, provider)


def test_calls_go_on_while_the_database_is_stopped_and_no_row_is_lost(place: Place) -> None:
    with place.load() as hammer:
        hammer.wait_for(50)
        place.server.pause()
        try:
            hammer.wait_for(hammer.answered + 300)
        finally:
            place.server.resume()
        hammer.wait_for(hammer.answered + 50)
    assert hammer.lost == []
    place.settled()


def test_calls_go_on_while_the_database_is_killed_and_no_row_is_lost(place: Place) -> None:
    with place.load() as hammer:
        hammer.wait_for(50)
        place.server.kill()
        hammer.wait_for(hammer.answered + 100)
        patient(place.is_behind, waiting_for="control to say so")
        refused = place.revoke("development")
        assert (refused.status, b"cannot be reached" in refused.body) == (503, True)
        assert PASSWORD.encode() not in refused.body
        place.server.start()
        hammer.wait_for(hammer.answered + 50)
    assert hammer.lost == []
    place.settled()
    assert place.revoke("nobody").status == 404


def test_connections_that_are_cut_in_the_middle_double_and_lose_nothing(place: Place) -> None:
    with place.load() as hammer:
        for _ in range(20):
            hammer.wait_for(hammer.answered + 20)
            place.cut()
    assert hammer.lost == []
    place.settled()


def test_a_database_that_lets_nobody_in_or_write_makes_rows_wait(place: Place) -> None:
    with place.load() as hammer:
        place.server.execute(f"ALTER ROLE {GUARDED} SET default_transaction_read_only = on", database="site")
        place.cut()
        hammer.wait_for(hammer.answered + 100)
        place.server.execute(f"ALTER ROLE {GUARDED} RESET default_transaction_read_only; ALTER ROLE {GUARDED} NOLOGIN")
        place.cut()
        hammer.wait_for(hammer.answered + 100)
        place.server.execute(f"ALTER ROLE {GUARDED} LOGIN")
    assert hammer.lost == []
    place.settled()
    assert not [line for line in place.site.lines if PASSWORD in line or "Traceback" in line]


def test_control_that_is_killed_while_the_database_is_away_comes_back_with_it(place: Place) -> None:
    place.server.kill()
    control = place.site.part("control")
    os.kill(control.pid, 9)
    with place.load() as hammer:
        patient(lambda: any("waiting for the database" in line for line in place.site.lines), waiting_for="control")
        hammer.wait_for(50)
        place.server.start()
        place.site.wait_for("control", "ready", restarts=1)
    assert hammer.lost == []
    place.settled()
    assert Path(place.site.state, "spool").exists()
