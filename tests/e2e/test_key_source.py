"""The source of keys is away: control is stopped, its database locked, moved away or replaced. Two gateway workers."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.e2e.clients import ask, patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Site, running

pytestmark = pytest.mark.e2e
MANIFEST = """\
schema: 1
name: source
providers: {{dev: {{kind: vllm, base_url: "{url}"}}}}
endpoints: {{assistant: {{variants: {{main: {{provider: dev, model: m}}}}}}}}
gateway: {{workers: 2}}
"""
UNKNOWN = "mw-aaaaaaaa-unknown"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with DevProvider() as provider:
        manifest = MANIFEST.format(url=provider.base_url)
        with running(manifest, folder=tmp_path_factory.mktemp("source")) as running_site:
            yield running_site


def statuses(site: Site, key: str) -> set[int]:
    """Over as many connections, so that both workers are met."""
    return {site.call("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"}).status for _ in range(10)}


def becomes(site: Site, status: int) -> None:
    """The unknown key's answer; the known key works all the while."""

    def everywhere() -> bool:
        assert statuses(site, site.key) == {200}
        return statuses(site, UNKNOWN) == {status}

    patient(everywhere, waiting_for=f"{status} for an unknown key")


def create(site: Site, name: str) -> str:
    answer = ask(site.runtime / "control.sock", "/keys", method="POST", body=json.dumps({"name": name}).encode())
    assert answer.status == 201, answer
    return json.loads(answer.body)["key"]


def test_while_control_is_stopped_known_keys_work_and_unknown_ones_wait(site: Site) -> None:
    becomes(site, 401)
    pid = site.part("control").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        becomes(site, 503)
        refused = site.call("GET", "/v1/models", headers={"Authorization": f"Bearer {UNKNOWN}"})
        assert refused.json()["error"]["code"] == "identity_unavailable"
        assert int(refused.headers["retry-after"]) >= 1
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    becomes(site, 401)


def test_a_database_that_is_locked_for_everybody_harms_no_known_key_and_heals_alone(site: Site) -> None:
    with closing(sqlite3.connect(site.state / "modelwright.db", isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN EXCLUSIVE")
        made = ask(site.runtime / "control.sock", "/keys", method="POST", body=b'{"name":"locked-out"}')
        assert made.status == 503
        assert statuses(site, site.key) == {200}
    patient(lambda: statuses(site, create_again(site)) == {200}, waiting_for="a new key")


def create_again(site: Site) -> str:
    """A key, as soon as the database takes one."""
    for number in range(100):
        body = json.dumps({"name": f"again-{number}"}).encode()
        answer = ask(site.runtime / "control.sock", "/keys", method="POST", body=body)
        if answer.status == 201:
            return json.loads(answer.body)["key"]
    raise AssertionError("no key was made")


def test_a_database_that_is_gone_makes_no_known_key_401_not_even_over_restarts(site: Site) -> None:
    path, aside = site.state / "modelwright.db", site.state / "aside.db"
    path.rename(aside)
    try:
        refused = ask(site.runtime / "control.sock", "/keys", method="POST", body=b'{"name":"nowhere"}')
        assert (refused.status, b"is gone" in refused.body) == (503, True)
        before = site.part("control")
        os.kill(before.pid, signal.SIGKILL)
        patient(lambda: site.part("control").restarts > before.restarts, waiting_for="control's next life")
        gateway = site.part("gateway-0")
        os.kill(gateway.pid, signal.SIGKILL)
        site.wait_for("gateway-0", "ready", restarts=gateway.restarts + 1)
        becomes(site, 503)
        assert not path.exists(), "no empty database took its place"
    finally:
        aside.rename(path)
    becomes(site, 401)
    site.wait_for("control", "ready")
    assert statuses(site, create(site, "healed")) == {200}
