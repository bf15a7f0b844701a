"""Sites whose state is in a real PostgreSQL: the same as on a file, on two hosts, and while the database is away."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import patient
from tests.e2e.gateway_site import CHAT, QUESTION, DevProvider
from tests.e2e.running import ROOT, Site, kept, modelwright, running
from tests.making.postgres_server import GUARDED, PASSWORD, PostgresServer

pytestmark = pytest.mark.e2e
PEPPER = "pepper-of-both-hosts"
MANIFEST = """\
schema: 1
name: shared
providers:
  dev: {{kind: vllm, base_url: "{url}"}}
endpoints:
  chat: {{variants: {{a: {{provider: dev, model: one}}, b: {{provider: dev, model: two, weight: 0}}}}}}
tasks: {{concurrency: 2}}
{store}
"""
STORE = re.findall(r"^store:.*$", (ROOT / "docs" / "guide" / "database.md").read_text("utf-8"), re.MULTILINE)[0]
"""As the guide has it."""


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider() as running_provider:
        yield running_provider


class Hosts:
    """Two installations of one manifest over one database."""

    def __init__(self, one: Site, two: Site) -> None:
        self.one, self.two = one, two


def manifest(folder: Path, provider: DevProvider) -> Path:
    folder.mkdir()
    path = folder / "modelwright.yaml"
    path.write_text(MANIFEST.format(url=provider.base_url, store=STORE))
    return path


def variables(url: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "MODELWRIGHT_PEPPER": PEPPER}


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    """Of a user who owns the database and nothing else."""
    return postgres.create("sites", owner=GUARDED).replace("postgres@", f"{GUARDED}:{PASSWORD}@")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, provider: DevProvider, url: str) -> Iterator[Hosts]:
    folder = tmp_path_factory.mktemp("hosts")
    with (
        running(manifest(folder / "one", provider), env=variables(url)) as one,
        running(manifest(folder / "two", provider), env=variables(url)) as two,
    ):
        yield Hosts(one, two)


def keys(site: Site, *words: str, url: str) -> Any:
    """`modelwright keys …`, by a process of its own."""
    done = modelwright("keys", *words, "-f", str(site.manifest), "--json", env={**os.environ, **variables(url)})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(site: Site, key: str) -> int:
    return site.call("POST", CHAT, json.dumps(QUESTION).encode(), headers={"Authorization": f"Bearer {key}"}).status


def test_a_key_of_one_host_works_and_dies_on_the_other(hosts: Hosts, url: str) -> None:
    made = keys(hosts.one, "create", "app", url=url)
    assert ask(hosts.one, made["key"]) == 200
    patient(lambda: ask(hosts.two, made["key"]) == 200, waiting_for="the other host to know the key")
    keys(hosts.one, "revoke", made["id"], url=url)
    assert ask(hosts.one, made["key"]) == 401
    patient(lambda: ask(hosts.two, made["key"]) == 401, waiting_for="the other host to refuse the key")
    for site in (hosts.one, hosts.two):
        assert ask(site, site.key) == 200, "each host has a development key of its own"


def test_rows_of_both_hosts_are_there_once(hosts: Hosts, postgres: PostgresServer) -> None:
    calls = [
        site.call("POST", CHAT, json.dumps(QUESTION).encode()).headers["x-modelwright-call"]
        for site in (hosts.one, hosts.two) * 5
    ]

    def rows() -> str:
        counted = "SELECT count(*), count(DISTINCT writer) FROM modelwright.ledger WHERE outcome = 'ok' AND call = ANY("
        return postgres.execute(f"{counted}'{{{','.join(calls)}}}')", database="sites")

    patient(lambda: rows() == "10|2", waiting_for="the rows")


def test_hosts_share_tasks_and_each_is_run_by_one_of_them(hosts: Hosts, provider: DevProvider, url: str) -> None:
    made = keys(hosts.one, "create", "tasks", url=url)
    patient(lambda: ask(hosts.two, made["key"]) == 200)
    provider.fails()
    tasks = [leave(hosts.one, made["key"]) for _ in range(12)]
    seen = [wait(hosts.two, made["key"], task) for task in tasks]
    assert {task["status"] for task in seen} == {"succeeded"}
    assert {task["attempts"] for task in seen} == {1}
    assert len(provider.requests) == 12
    provider.fails("hold")
    task = leave(hosts.one, made["key"])
    patient(lambda: len(provider.requests) == 1)
    for site in (hosts.one, hosts.two):
        assert task_at(site, made["key"], f"{task}/cancel", method="POST")["status"] == "cancelled"
    patient(lambda: provider.requests[0]["client_gone"], waiting_for="whichever host runs it to cut the call")
    provider.fails()


def leave(site: Site, key: str) -> str:
    call = json.dumps({"url": CHAT, "body": QUESTION}).encode()
    left = site.call("POST", "/v1/tasks", call, headers={"Authorization": f"Bearer {key}"})
    assert left.status == 202, left.body
    return left.json()["id"]


def task_at(site: Site, key: str, path: str, *, method: str = "GET") -> Any:
    return site.call(method, f"/v1/tasks/{path}", headers={"Authorization": f"Bearer {key}"}).json()


def wait(site: Site, key: str, task: str) -> Any:
    patient(lambda: task_at(site, key, task).get("status") not in {None, "queued", "running"}, waiting_for=task)
    return task_at(site, key, task)


def test_live_weights_hold_on_both_hosts(hosts: Hosts) -> None:
    def variant(site: Site) -> str:
        return site.call("POST", CHAT, json.dumps(QUESTION).encode()).headers["x-modelwright-variant"]

    salts = {json.loads((s.runtime / "snapshot.json").read_bytes())["split_salt"] for s in (hosts.one, hosts.two)}
    assert len(salts) == 1, "a user has the same variant on every host"
    assert {variant(hosts.one), variant(hosts.two)} == {"a"}
    done = modelwright("variants", "weigh", "chat", "a=0", "b=1", "--why", "a test", "-f", str(hosts.one.manifest))
    assert done.returncode == 0, done.stderr
    assert variant(hosts.one) == "b"
    patient(lambda: variant(hosts.two) == "b", waiting_for="the other host to follow")


def test_nothing_that_is_printed_or_kept_holds_the_password(hosts: Hosts) -> None:
    for site in (hosts.one, hosts.two):
        assert not [line for line in site.lines if PASSWORD in line]
        files = kept(site.manifest.parent, site.runtime)
        assert not [path for path, content in files.items() if PASSWORD.encode() in content]


def test_commands_use_the_database_while_nothing_runs(
    tmp_path: Path, provider: DevProvider, hosts: Hosts, url: str
) -> None:
    away = manifest(tmp_path / "away", provider)
    env = {**os.environ, **variables(url)}
    made = modelwright("keys", "create", "elsewhere", "-f", str(away), "--json", env=env)
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["key"]
    patient(lambda: ask(hosts.two, key) == 200, waiting_for="a key that was made without control")
    assert not (away.parent / ".modelwright" / "modelwright.db").exists()
    other = modelwright(
        "keys", "list", "-f", str(away), env={**env, "MODELWRIGHT_PEPPER": "another-pepper-than-theirs"}
    )
    assert (other.returncode, "another pepper" in other.stderr) == (1, True)
    lacking = modelwright("keys", "list", "-f", str(away), env={**os.environ, "MODELWRIGHT_PEPPER": PEPPER})
    assert (lacking.returncode, "DATABASE_URL" in lacking.stderr) == (3, True)


def test_the_state_of_a_file_is_taken_over(tmp_path: Path, provider: DevProvider, postgres: PostgresServer) -> None:
    path = manifest(tmp_path / "moved", provider)
    whole = path.read_text()
    path.write_text(whole.replace(STORE, ""))
    with running(path) as site:
        made = modelwright("keys", "create", "app", "--tenant", "acme", "-f", str(path), "--json")
        key = json.loads(made.stdout)["key"]
        assert [ask(site, key) for _ in range(3)] == [200] * 3
        weighed = modelwright("variants", "weigh", "chat", "a=0", "b=1", "--why", "a test", "-f", str(path))
        assert weighed.returncode == 0, weighed.stderr
    path.write_text(whole)
    url = postgres.create("moved")
    other = modelwright("database", "import", "-f", str(path), env={**os.environ, **variables(url)})
    assert (other.returncode, "another pepper" in other.stderr) == (1, True)
    env = {"DATABASE_URL": url, "MODELWRIGHT_PEPPER": (path.parent / ".modelwright" / "pepper").read_text().strip()}
    for ledger in (3, 0):
        moved = modelwright("database", "import", "-f", str(path), "--json", env={**os.environ, **env})
        assert moved.returncode == 0, moved.stderr
        assert json.loads(moved.stdout)["ledger"] == ledger
    with running(path, env=env) as site:
        answer = site.call("POST", CHAT, json.dumps(QUESTION).encode(), headers={"Authorization": f"Bearer {key}"})
        assert (answer.status, answer.headers["x-modelwright-variant"]) == (200, "b")
        rows = "SELECT count(*) FROM modelwright.ledger WHERE outcome = 'ok' AND tenant = 'acme'"
        patient(lambda: postgres.execute(rows, database="moved") == "4", waiting_for="old rows and a new one")


def test_a_site_whose_database_refuses_says_why_and_ends(
    tmp_path: Path, provider: DevProvider, postgres: PostgresServer
) -> None:
    path = manifest(tmp_path / "one", provider)
    env = {**os.environ, **variables(postgres.url(user=GUARDED, password=f"wrong-{PASSWORD}"))}
    done = modelwright("up", "-f", str(path), "--port", "0", "--admin-port", "0", env=env)
    assert done.returncode == 1
    assert "store.database: PostgreSQL at 127.0.0.1" in done.stderr + done.stdout
    assert 'password authentication failed for user "guarded"' in done.stderr + done.stdout
    assert PASSWORD not in done.stderr + done.stdout
