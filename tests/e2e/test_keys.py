"""API keys over a real `modelwright up`: what a command says when it returns is so, everywhere."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from modelwright.core.keys import key_digest
from modelwright.core.status import Busy
from tests.e2e.clients import ask, patient
from tests.e2e.running import Reply, Site, kept, modelwright, quickstart, running

pytestmark = pytest.mark.e2e
MANIFEST = """\
schema: 1
name: keys
models:
  digits: {source: ./models/digits.onnx, check: ./seven.json}
gateway: {workers: 2}
"""
MODELS = "/v1/models"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two gateway workers and a small model; shared, so every test makes keys of its own."""
    folder = quickstart(tmp_path_factory.mktemp("keys")).parent
    with running(MANIFEST, folder=folder) as running_site:
        yield running_site


def keys(site: Site, *arguments: str) -> Any:
    """`modelwright keys …` as facts."""
    done = modelwright("keys", *arguments, "-f", str(site.manifest), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def create(site: Site, name: str, **fields: str) -> Any:
    """The same without a process: what the command asks of control."""
    answer = ask(
        site.runtime / "control.sock", "/keys", method="POST", body=json.dumps({"name": name, **fields}).encode()
    )
    assert answer.status == 201, answer
    return json.loads(answer.body)


def revoke(site: Site, which: str) -> Any:
    answer = ask(site.runtime / "control.sock", f"/keys/{which}", method="DELETE")
    assert answer.status == 200, answer
    return json.loads(answer.body)


def statuses(site: Site, key: str, number: int = 20) -> set[int]:
    """Of calls over as many connections, so that every worker is met."""
    return {site.call("GET", MODELS, headers={"Authorization": f"Bearer {key}"}).status for _ in range(number)}


def admin(site: Site, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    connection = HTTPConnection(urlsplit(site.admin).netloc, timeout=30)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def test_a_key_works_when_create_returns_and_is_dead_when_revoke_returns(site: Site) -> None:
    made = keys(site, "create", "at-once")
    assert made["spread"]["confirmed"] == ["gateway-0", "gateway-1"]
    assert statuses(site, made["key"]) == {200}
    revoked = keys(site, "revoke", "at-once")
    assert (revoked["id"], revoked["state"]) == (made["id"], "revoked")
    assert statuses(site, made["key"]) == {401}


def test_what_people_read(site: Site) -> None:
    made = modelwright("keys", "create", "readable", "--expires", "30d", "-f", str(site.manifest))
    key, _, rest = made.stdout.partition("\n\n")
    key_id = key.split("-")[1]
    assert f"Key readable: id {key_id}, tenant default, role client, expires 2" in rest
    assert made.stderr == ""
    listed = modelwright("keys", "list", "-f", str(site.manifest))
    assert key_id in listed.stdout
    assert key not in listed.stdout
    revoked = modelwright("keys", "revoke", key_id, "-f", str(site.manifest))
    assert revoked.stdout == f"Revoked key readable: id {key_id}, tenant default.\n"


def test_mistakes_have_a_remedy_and_a_status_of_their_own(site: Site) -> None:
    create(site, "taken")
    for arguments, problem in (
        (("create", "taken"), "has a live key named taken"),
        (("create", "Not A Name"), "lower-case letters"),
        (("create", "a", "--role", "root"), "client or admin"),
        (("create", "a", "--expires", "soon"), "30d"),
        (("revoke", "nobody"), "keys list"),
    ):
        done = modelwright("keys", *arguments, "-f", str(site.manifest))
        assert done.returncode == 9, done
        assert problem in done.stderr
        assert done.stdout == ""
    revoke(site, "taken")


def test_a_worker_that_sleeps_through_a_revocation_learns_of_it(site: Site) -> None:
    made = create(site, "sleeper")
    pid = site.part("gateway-1").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        revoked = modelwright("keys", "revoke", "sleeper", "-f", str(site.manifest))
        assert revoked.returncode == 0
        assert "gateway-1 has not answered" in revoked.stderr
    finally:
        os.kill(pid, signal.SIGCONT)
    patient(lambda: statuses(site, made["key"]) == {401}, waiting_for="the revocation")


def test_a_key_expires_by_itself(site: Site) -> None:
    made = create(site, "brief", expires_in="3s")
    seen = statuses(site, made["key"], 4)
    assert seen == {200} or time.time() >= made["expires"]
    patient(lambda: time.time() > made["expires"])
    assert statuses(site, made["key"]) == {401}
    assert next(key for key in keys(site, "list") if key["name"] == "brief")["state"] == "expired"


def test_control_can_die_and_nobody_who_calls_notices(site: Site) -> None:
    made = create(site, "survivor")
    before = site.part("control")
    os.kill(before.pid, signal.SIGKILL)
    assert statuses(site, made["key"]) == {200}
    later = keys(site, "create", "after-the-fall")
    assert later["spread"]["serial"] > made["spread"]["serial"]
    assert later["spread"]["confirmed"] == ["gateway-0", "gateway-1"]
    assert statuses(site, made["key"]) == {200}
    assert site.wait_for("control", "ready", restarts=before.restarts + 1).pid != before.pid


def test_the_admin_door_wants_an_admins_key(site: Site) -> None:
    admins = create(site, "ops", role="admin")
    client = create(site, "app")["key"]
    assert admin(site, "GET", "/keys").status == 401
    assert admin(site, "GET", "/keys").headers["www-authenticate"] == "Bearer"
    assert admin(site, "GET", "/keys", authorization="Bearer mw-aaaaaaaa-bbbb").status == 401
    assert admin(site, "GET", "/keys", **{"x-api-key": client}).json()["error"]["code"] == "forbidden"
    bearer = {"authorization": f"Bearer {admins['key']}"}
    assert {"ops", "app"} <= {key["name"] for key in admin(site, "GET", "/keys", **bearer).json()}
    made = admin(site, "POST", "/keys", {"name": "by-http"}, **bearer)
    assert made.status == 201
    assert statuses(site, made.json()["key"]) == {200}
    assert admin(site, "DELETE", f"/keys/{made.json()['id']}", **bearer).json()["state"] == "revoked"
    assert statuses(site, made.json()["key"]) == {401}
    assert statuses(site, admins["key"], 4) == {403}, "an admin's key calls no endpoint"
    revoke(site, "ops")
    assert admin(site, "GET", "/keys", **bearer).status == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "unknown_path"),
        ("PUT", "/keys", None, 405, "method_not_allowed"),
        ("POST", "/keys", {"nam": "x"}, 422, "unprocessable"),
        ("POST", "/keys", {"name": 7}, 422, "unprocessable"),
        ("POST", "/keys", {"name": "a", "role": "root"}, 400, "access_invalid"),
        ("POST", "/keys", {"name": "a" * (2 << 20)}, 413, "too_large"),
        ("DELETE", "/keys/nobody", None, 404, "key_not_found"),
        ("GET", "/ledger?limit=0", None, 422, "unprocessable"),
        ("GET", "/ledger?outcome=marvellous", None, 422, "unprocessable"),
        ("GET", "/ledger?user=x", None, 422, "unprocessable"),
    ],
)
def test_the_admin_door_says_what_is_wrong(
    site: Site, method: str, path: str, body: Any, status: int, code: str
) -> None:
    made = create(site, "asker", role="admin")
    try:
        found = admin(site, method, path, body, authorization=f"Bearer {made['key']}")
    finally:
        revoke(site, "asker")
    assert (found.status, found.json()["error"]["code"]) == (status, code)
    assert found.json()["error"]["message"]
    assert found.json()["error"]["hint"]


def test_health_and_metrics_are_open(site: Site) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert admin(site, "GET", path).status == 200


def test_metrics_are_the_sum_of_all_workers_and_say_who_is_silent(site: Site) -> None:
    def metric(name: str) -> float:
        lines = admin(site, "GET", "/metrics").body.decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[-1])

    statuses(site, "no-key", 20)
    lines = admin(site, "GET", "/metrics").body.decode().splitlines()
    refused = next(line for line in lines if line.startswith("modelwright_http_requests_total") and '"401"' in line)
    assert float(refused.split()[-1]) >= 20
    for part in ("control", "gateway-0", "gateway-1", "serving-digits-0"):
        patient(lambda part=part: metric(f'modelwright_worker_up{{part="{part}"}}') == 1, waiting_for=part)
    pid = site.part("serving-digits-0").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert metric('modelwright_worker_up{part="serving-digits-0"}') == 0
        patient(lambda: metric('modelwright_worker_up{part="gateway-0"}') == 1, waiting_for="one that answers")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_status_holds_every_workers_own_numbers(site: Site) -> None:
    busy: dict[str, Busy] = {}

    def told() -> bool:
        busy.update({part.name: part.busy for part in site.status().parts if part.busy is not None})
        return set(busy) == {"control", "gateway-0", "gateway-1", "serving-digits-0"} and len(
            {busy[name].snapshot for name in ("control", "gateway-0", "gateway-1")}
        ) == 1  # fmt: skip

    patient(told, waiting_for="everybody's numbers, of one snapshot")
    assert busy["control"].snapshot > 0
    assert all(numbers.memory_mb > 10 for numbers in busy.values())


def test_a_key_and_its_secrets_are_nowhere_but_with_their_owner(site: Site) -> None:
    key = create(site, "planted")["key"]
    statuses(site, key, 4)
    secret = key.split("-")[2]
    assert admin(site, "GET", "/metrics").body.count(secret.encode()) == 0
    assert not [line for line in site.lines if secret in line]
    places = kept(site.state, site.runtime)
    assert {path.name for path in places} >= {"modelwright.db", "snapshot.json", "pepper"}
    assert not [path for path, content in places.items() if secret.encode() in content]
    pepper = (site.state / "pepper").read_bytes()
    assert not [path for path, content in places.items() if path.name != "pepper" and pepper in content]
    private = [path for path in places if path.name in {"modelwright.db", "snapshot.json", "pepper"}]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}


def test_control_answers_on_its_socket_without_a_key(site: Site) -> None:
    path = site.runtime / "control.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"GET /keys HTTP/1.1\r\nhost: c\r\nconnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_keys_are_made_while_nothing_runs(tmp_path: Path) -> None:
    manifest = quickstart(tmp_path)
    manifest.write_text(MANIFEST)
    quiet = ("-f", str(manifest), "--json")
    env = {**os.environ, "MODELWRIGHT_PEPPER": "a pepper that came from outside"}
    made = json.loads(modelwright("keys", "create", "early", *quiet, env=env).stdout)
    assert made["spread"] is None
    gone = json.loads(modelwright("keys", "create", "gone", *quiet, env=env).stdout)
    assert modelwright("keys", "revoke", "gone", *quiet, env=env).returncode == 0
    assert not (manifest.parent / ".modelwright" / "pepper").exists()
    with running(manifest, env=env) as site:
        assert statuses(site, made["key"]) == {200}
        assert statuses(site, gone["key"], 2) == {401}
        found = json.loads((site.runtime / "snapshot.json").read_bytes())["keys"]
        assert key_digest(env["MODELWRIGHT_PEPPER"].encode(), made["key"]) in {key["digest"] for key in found}


def test_commands_that_come_at_once_wait_for_each_other(tmp_path: Path) -> None:
    manifest = quickstart(tmp_path)
    ended: list[int] = []

    def make(name: str) -> None:
        ended.append(modelwright("keys", "create", name, "-f", str(manifest)).returncode)

    threads = [threading.Thread(target=make, args=(name,)) for name in ("a", "b", "same", "same")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == [0, 0, 0, 9]
    listed = json.loads(modelwright("keys", "list", "-f", str(manifest), "--json").stdout)
    assert sorted(key["name"] for key in listed) == ["a", "b", "same"]


def test_a_folder_without_a_manifest_is_left_alone(tmp_path: Path) -> None:
    done = modelwright("keys", "create", "a", cwd=tmp_path)
    assert done.returncode == 1
    assert "-f FILE" in done.stderr
    assert list(tmp_path.iterdir()) == []
