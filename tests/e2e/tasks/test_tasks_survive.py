"""Tasks outlive every process: control, the gateway, all of it; none is lost, none runs twice at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Site, running
from tests.e2e.tasks.leaving import CHAT, QUESTION, TASKS, Client, rows

pytestmark = pytest.mark.e2e
MANIFEST = """
schema: 1
name: surviving
providers:
  dev: {kind: vllm, base_url: "URL"}
endpoints:
  chat: {variants: {main: {provider: dev, model: m}}}
tasks: {concurrency: 3}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider() as found:
        yield found


@pytest.fixture(scope="module")
def manifest(provider: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("surviving") / "modelwright.yaml"
    path.write_text(MANIFEST.replace("URL", provider.base_url))
    return path


@pytest.fixture(scope="module")
def site(manifest: Path) -> Iterator[Site]:
    with running(manifest) as found:
        yield found


def kill(site: Site, part: str) -> None:
    os.kill(site.part(part).pid, signal.SIGKILL)


def wait(client: Client, task: str) -> Any:
    """Until it has ended; while a part is away, nobody can tell."""

    def ended() -> bool:
        try:
            reply = client.call("GET", f"{TASKS}/{task}")
        except OSError:
            return False
        return reply.status == 200 and reply.json()["status"] not in {"queued", "running"}

    patient(ended, waiting_for=f"{task} to end")
    return client.look(task)


def test_a_task_whose_control_is_killed_runs_again_after_its_first_call_has_ended(
    site: Site, provider: DevProvider
) -> None:
    client = Client(site, "control-killer")
    provider.fails("slow@3s")
    task = client.leave()
    patient(lambda: len(provider.requests) == 1)
    kill(site, "control")
    done = wait(client, task)
    first, second = provider.requests
    assert (done["status"], done["attempts"], len(done["calls"])) == ("succeeded", 2, 2)
    assert (first["client_gone"], first["finished"], second["finished"]) == (True, False, True)
    found = rows(site, done["calls"])
    assert [row["outcome"] for row in found] == ["client_disconnect", "ok"]


def test_a_task_whose_gateway_is_killed_runs_again_and_every_request_has_its_row(
    site: Site, provider: DevProvider
) -> None:
    client = Client(site, "gateway-killer")
    provider.fails("slow@1500ms")
    task = client.leave()
    patient(lambda: len(provider.requests) == 1)
    kill(site, "gateway-0")
    done = wait(client, task)
    assert (done["status"], done["attempts"]) == ("succeeded", 2)
    assert len(provider.requests) == 2
    assert sorted(row["outcome"] for row in rows(site, done["calls"])) == ["ok", "unresolved"]


def test_while_control_is_away_tasks_wait_for_it_and_calls_do_not(site: Site, provider: DevProvider) -> None:
    client = Client(site, "stopped")
    provider.fails()
    pid = site.part("control").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        refused = client.call("POST", TASKS, {"url": CHAT, "body": QUESTION})
        assert (refused.status, refused.json()["error"]["code"]) == (503, "tasks_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.call("POST", CHAT, QUESTION).status == 200
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    patient(lambda: client.call("GET", TASKS).status == 200)
    database = site.state / "modelwright.db"
    aside = database.with_suffix(".aside")
    database.rename(aside)
    try:
        refused = client.call("POST", TASKS, {"url": CHAT, "body": QUESTION})
        assert (refused.status, refused.json()["error"]["code"]) == (503, "tasks_unavailable")
        assert client.call("POST", CHAT, QUESTION).status == 200
    finally:
        aside.rename(database)
    assert wait(client, client.leave())["status"] == "succeeded"


def test_everything_killed_loses_no_task(site: Site, manifest: Path, provider: DevProvider) -> None:
    client = Client(site, "survivor")
    provider.fails("hold")
    tasks = [client.leave({**QUESTION, "user": f"u{number}"}) for number in range(6)]
    patient(lambda: len(provider.requests) == 3, waiting_for="three to run")
    for pid in [site.pid, *(part.pid for part in site.watch().parts if part.pid)]:
        with contextlib.suppress(ProcessLookupError):  # it may have ended with its supervisor
            os.kill(pid, signal.SIGKILL)
    site.end()
    provider.fails()
    with running(manifest) as again:
        client.site = again
        done = [wait(client, task) for task in tasks]
        assert [each["status"] for each in done] == ["succeeded"] * 6
        assert sorted(each["attempts"] for each in done) == [1, 1, 1, 2, 2, 2]
        found = rows(again, [call for each in done for call in each["calls"]])
        outcomes = sorted(row["outcome"] for row in found)
        assert outcomes == ["ok"] * 6 + ["unresolved"] * 3
        asked = [json.dumps(request["body"]) for request in provider.requests]
        assert len(asked) == 6, "each once more, and none twice at once"
