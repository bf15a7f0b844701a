"""Prometheus and Alertmanager, deployed by a manifest: they find what runs, also on trial, and tell of it."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.app.deploying.desired.build import desired
from modelwright.app.deploying.desired.prepare import prepare
from modelwright.core.deploying.trials import Rise, Rules
from modelwright.core.deploying.workloads import Desired, Mount, Workload
from modelwright.deploy.firewall import openings
from modelwright.observe.alerts import ALERTS
from modelwright.observe.dashboards.edge import EDGE
from tests.e2e.clients import patient
from tests.making.docker_host.engine import Engine
from tests.making.docker_host.images import PYTHON
from tests.making.docker_target import Hold, held
from tests.making.ports import free_port

pytestmark = pytest.mark.e2e

MANIFEST = """\
schema: 1
name: {project}
providers: {{up: {{kind: vllm, base_url: "http://llm.example.com"}}}}
endpoints: {{chat: {{variants: {{main: {{provider: up, model: m}}}}}}}}
store: {{database: "postgresql://database.example.com/app"}}
apps: {{hook: {{image: "{image}", port: 8001, command: python /program.py}}}}
services:
  prometheus: {{rules: ./alerts.yaml, size: 1Gi, keep: 7d, every: 1s}}
  alertmanager: {{config: ./alertmanager.yaml}}
routes: {{all: {{paths: {{/: hook, /v1: gateway}}}}}}
targets: {{host: {{kind: docker, host: "{url}", publish: {{http: "127.0.0.1:{port}", https: ""}}}}}}
environments: {{production: {{target: host}}}}
"""
OWN = """\
groups:
  - name: own
    interval: 1s
    rules: [{alert: Tried, expr: "up{release='r2'} == 1", labels: {severity: warning}}]
"""
ROUTING = """\
route: {receiver: hook, group_wait: 0s}
receivers: [{name: hook, webhook_configs: [{url: "http://hook:8001/told"}]}]
"""
PROGRAM = b"""
import http.server, signal, threading, urllib.request

told = []


class Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/ask/"):
            self.answer(urllib.request.urlopen("http:/" + self.path[4:], timeout=30).read())
        else:
            self.answer(b"[" + b",".join(told) + b"]" if self.path == "/told" else b"modelwright_in_flight 1\\n")

    def do_POST(self):
        told.append(self.rfile.read(int(self.headers["content-length"])))
        self.answer(b"")

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


doors = [http.server.ThreadingHTTPServer(("", port), Door) for port in (8000, 8001)]
signal.signal(signal.SIGTERM, lambda *_: [threading.Thread(target=door.shutdown).start() for door in doors])
threading.Thread(target=doors[0].serve_forever).start()
doors[1].serve_forever()
"""
OTHERS = re.compile(r"(?:haproxy|prometheus|alertmanager)_[a-z_]+")
"""Metrics that are not ours."""


async def described(folder: Path, hold: Hold, *, version: str) -> Desired:
    """As the manifest has it, with a small program in place of the gateway's, which tells numbers of that kind."""
    salt = (await hold.target.observer.observe()).salt
    prepared = prepare(folder / "modelwright.yaml", environment="production")
    found, brought = desired(prepared, images={"gateway": PYTHON}, salt=salt)
    program = Mount(path="/program.py", digest=hold.contents.add(PROGRAM))
    changed: list[Workload] = []
    for one in found.workloads:
        for mount in one.mounts:
            if not mount.volume:
                content = b"".join([piece async for piece in brought.read(mount.digest)])
                hold.contents.by_digest[mount.digest] = content
        match one.kind:
            case "gateway":
                runs: dict[str, Any] = {"command": ("python", "/program.py"), "env": {"VERSION": version}}
                changed.append(msgspec.structs.replace(one, mounts=(program,), **runs))
            case "app":
                changed.append(msgspec.structs.replace(one, mounts=(program,)))
            case _:
                changed.append(one)
    return msgspec.structs.replace(found, workloads=tuple(changed))


@pytest.fixture
def folder(tmp_path: Path, docker_project: str, docker_engine: Engine) -> Path:
    text = MANIFEST.format(project=docker_project, image=PYTHON, url=docker_engine.url, port=free_port())
    (tmp_path / "modelwright.yaml").write_text(text)
    (tmp_path / "alerts.yaml").write_text(OWN)
    (tmp_path / "alertmanager.yaml").write_text(ROUTING)
    return tmp_path


async def test_all_instances_are_found_also_on_trial_and_a_webhook_hears_of_an_alert(
    folder: Path, docker_engine: Engine, docker_project: str, keeper_image: str
) -> None:
    async with held(docker_engine.url, docker_project, "production", keeper=keeper_image) as hold:
        first = await described(folder, hold, version="v1")
        assert await hold.deploy(first, "r1") == "deployed"
        port = openings(first)[0].port

        def asked(path: str) -> Any:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
                return json.load(answer)

        def tried() -> list[dict[str, str]]:
            """Other rules may fire before it on a slow machine."""
            alerts = [alert["labels"] for post in asked("told") for alert in post["alerts"]]
            return [labels for labels in alerts if labels["alertname"] == "Tried"]

        def up() -> set[tuple[str, str, str]]:
            found = asked("ask/prometheus:9090/api/v1/targets?state=active")["data"]["activeTargets"]
            labels = [one["labels"] for one in found if one["health"] == "up"]
            return {(one["job"], one["instance"], one.get("release", "")) for one in labels}

        rise = Rise(steps=(50, 100), pause=0.1, rules=Rules(calls=20, wait=0.1))
        assert await hold.deploy(await described(folder, hold, version="v2"), "r2", rise) == "held"
        always = {("edge", "edge", ""), ("prometheus", "prometheus", ""), ("alertmanager", "alertmanager", "")}
        both = {("gateway", f"gateway-{release}-0", release) for release in ("r1", "r2")}
        patient(lambda: up() == always | both, seconds=180, waiting_for="a scrape of each")
        patient(lambda: tried() != [], seconds=180, waiting_for="an alert")
        assert tried()[0] == {
            "alertname": "Tried",
            "environment": "production",
            "instance": "gateway-r2-0",
            "job": "gateway",
            "project": docker_project,
            "release": "r2",
            "severity": "warning",
            "workload": "gateway",
        }
        found = asked("ask/prometheus:9090/api/v1/rules")["data"]["groups"]
        assert {one["name"] for group in found for one in group["rules"]} == {"Tried", *(one.name for one in ALERTS)}
        names = set(asked("ask/prometheus:9090/api/v1/label/__name__/values")["data"])
        asked_for = [one.expression for row in EDGE.rows for panel in row for one in panel.queries]
        asked_for += [alert.expression for alert in ALERTS]
        assert {name for one in asked_for for name in OTHERS.findall(one)} <= names
        assert await hold.deploy(first, "r1") == "deployed"
        patient(
            lambda: up() == always | both - {("gateway", "gateway-r2-0", "r2")},
            seconds=180,
            waiting_for="the end of a trial",
        )
