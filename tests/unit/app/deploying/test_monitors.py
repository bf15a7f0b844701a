"""Monitors of a site: their settings are what their own programs accept, and nobody else reads what is secret there."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from modelwright.app.deploying.desired.contents import Brought
from modelwright.core.deploying.made import password
from modelwright.core.deploying.workloads import Desired
from tests.unit.app.deploying.site import MANIFEST, SALT, SECRETS, described, workload, write

ALERTS = """\
groups:
  - name: own
    rules: [{alert: Late, expr: 'up{job="gateway"} == 1 and hour() >= 22'}]
"""
ROUTING = """\
global: {smtp_from: a@example.com, smtp_smarthost: "mail.example.com:587", smtp_auth_password_file: /run/secrets/WORD}
route: {receiver: ops}
receivers: [{name: ops, email_configs: [{to: ops@example.com}]}]
"""
HOOK = "https://example.com/planted-hook"


def site(folder: Path, services: str, *, kind: str = "docker") -> tuple[Desired, Brought]:
    """With these services beside its databases."""
    text = MANIFEST.replace("services: {", f"services: {{{services}, ").replace("kind: docker", f"kind: {kind}")
    text = text.replace(', host: "ssh://deploy@host.example.com"', "") if kind == "compose" else text
    path = write(folder, text, secrets={**SECRETS, "ALERTS_URL": HOOK, "WORD": "planted-word"})
    (folder / "alerts.yaml").write_text(ALERTS)
    (folder / "routing.yaml").write_text(ROUTING)
    return described(path)


async def files(found: Desired, brought: Brought, name: str) -> dict[str, bytes]:
    """What a workload finds, by path."""
    mounts = [one for one in workload(found, name).mounts if not one.volume]
    return {one.path: b"".join([piece async for piece in brought.read(one.digest)]) for one in mounts}


def secrets(found: Desired, name: str) -> set[str]:
    return {one.path for one in workload(found, name).mounts if one.secret}


def checked(folder: Path, files: dict[str, bytes], *command: str) -> str:
    """What a program says of files that lie where it looks for them; it has to be content."""
    for path, content in files.items():
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(
            content.replace(b"/etc/", f"{folder}/etc/".encode()).replace(b"/run/", f"{folder}/run/".encode())
        )
    program = shutil.which(command[0])
    assert program, f"{command[0]} is not installed: sh tests/system-packages.sh prometheus prometheus-alertmanager"
    words = [str(folder / word.lstrip("/")) if word.startswith("/") else word for word in command[1:]]
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(content: bytes) -> Any:
    return YAML(typ="safe", pure=True).load(content)


async def test_prometheus_takes_its_settings_and_rules(tmp_path: Path) -> None:
    found, brought = site(tmp_path / "a", "prometheus: {rules: ./alerts.yaml, size: 10Gi, keep: 30d, every: 2.5s}")
    own = await files(found, brought, "prometheus")
    assert "1 rules found" in checked(tmp_path, own, "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    one = workload(found, "prometheus")
    assert one.command[2:] == ("--storage.tsdb.retention.time=2592000s", "--storage.tsdb.retention.size=8192MB")
    assert one.outside, "it asks the edge"
    told = read(own["/etc/prometheus/prometheus.yml"])
    assert told["global"]["scrape_interval"] == "2500ms"
    assert told["global"]["external_labels"] == {"project": "kb", "environment": "production"}
    assert [job["job_name"] for job in told["scrape_configs"]] == ["gateway", "prometheus", "edge"]
    assert told["scrape_configs"][0]["file_sd_configs"][0]["files"] == ["/instances/instances.json"]
    assert ("instances", False) in {(mount.volume, mount.writable) for mount in one.mounts}


async def test_without_an_edge_that_tells_numbers_nobody_is_asked_outside(tmp_path: Path) -> None:
    found, brought = site(tmp_path, "prometheus: {}")
    assert b"edge:8404" in (await files(found, brought, "prometheus"))["/etc/prometheus/prometheus.yml"]
    text = (tmp_path / "modelwright.yaml").read_text().replace("keep_releases: 3", "keep_releases: 3, edge: nginx")
    (tmp_path / "modelwright.yaml").write_text(text)
    found, brought = described(tmp_path / "modelwright.yaml")
    own = await files(found, brought, "prometheus")
    assert b"8404" not in own["/etc/prometheus/prometheus.yml"]
    assert b"NoGateway" in own["/etc/prometheus/rules/modelwright.yml"]
    assert b"Edge" not in own["/etc/prometheus/rules/modelwright.yml"]
    assert not workload(found, "prometheus").outside


async def test_where_there_is_no_gateway_none_is_missed(tmp_path: Path) -> None:
    apps = "schema: 1\nname: kb\napps: {web: {image: a, port: 80}}\nservices: {prometheus: {}}\n"
    place = "routes: {r: {paths: {/: web}}}\ntargets: {h: {kind: docker}}\nenvironments: {production: {target: h}}\n"
    found, brought = described(write(tmp_path, apps + place))
    told = (await files(found, brought, "prometheus"))["/etc/prometheus/rules/modelwright.yml"]
    names = {one["alert"] for one in read(told)["groups"][0]["rules"]}
    assert "EdgeDown" in names
    assert "NoGateway" not in names


async def test_compose_is_asked_by_its_names(tmp_path: Path) -> None:
    found, brought = site(tmp_path / "a", "prometheus: {}", kind="compose")
    own = await files(found, brought, "prometheus")
    checked(tmp_path, own, "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    assert read(own["/etc/prometheus/prometheus.yml"])["scrape_configs"][0]["dns_sd_configs"][0]["names"] == ["gateway"]
    assert [one.volume for one in workload(found, "prometheus").mounts if one.volume] == ["prometheus"]


async def test_a_webhook_is_enough_for_alertmanager_and_is_a_secret(tmp_path: Path) -> None:
    found, brought = site(tmp_path / "a", 'prometheus: {}, alertmanager: {webhook: "${secret:ALERTS_URL}"}')
    own = await files(found, brought, "alertmanager")
    assert {*own} == secrets(found, "alertmanager") == {"/run/secrets/alertmanager.yml"}
    assert HOOK.encode() in own["/run/secrets/alertmanager.yml"]
    checked(tmp_path, own, "amtool", "check-config", "/run/secrets/alertmanager.yml")
    assert workload(found, "alertmanager").outside
    told = read((await files(found, brought, "prometheus"))["/etc/prometheus/prometheus.yml"])
    assert told["alerting"] == {
        "alertmanagers": [{"scheme": "http", "static_configs": [{"targets": ["alertmanager:9093"]}]}]
    }


async def test_alertmanager_has_a_file_of_the_users_with_its_secrets_beside_it(tmp_path: Path) -> None:
    own_file = '{config: ./routing.yaml, secrets: {WORD: "${secret:WORD}"}}'
    found, brought = site(tmp_path / "a", f"prometheus: {{}}, alertmanager: {own_file}")
    own = await files(found, brought, "alertmanager")
    assert own == {"/run/secrets/alertmanager.yml": ROUTING.encode(), "/run/secrets/WORD": b"planted-word"}
    assert {*own} == secrets(found, "alertmanager")
    checked(tmp_path, own, "amtool", "check-config", "/run/secrets/alertmanager.yml")


@pytest.mark.parametrize("secret", [True, False])
async def test_alerts_may_go_to_an_alertmanager_elsewhere(tmp_path: Path, *, secret: bool) -> None:
    url = "${secret:ALERTS_URL}" if secret else "http://alerts.example.com:9093/am/"
    found, brought = site(tmp_path / "a", f'prometheus: {{}}, alertmanager: {{url: "{url}"}}')
    path = "/run/secrets/prometheus.yml" if secret else "/etc/prometheus/prometheus.yml"
    own = await files(found, brought, "prometheus")
    assert secrets(found, "prometheus") == ({path} if secret else set())
    assert workload(found, "prometheus").command[0] == f"--config.file={path}"
    (told,) = read(own[path])["alerting"]["alertmanagers"]
    wanted = ("https", "/planted-hook", "example.com") if secret else ("http", "/am", "alerts.example.com:9093")
    assert (told["scheme"], told["path_prefix"], told["static_configs"][0]["targets"][0]) == wanted
    checked(tmp_path, own, "promtool", "check", "config", path)


async def test_grafana_finds_its_sources_and_the_pages_that_come_along(tmp_path: Path) -> None:
    found, brought = site(tmp_path, "prometheus: {}, grafana: {}")
    own, grafana = await files(found, brought, "grafana"), workload(found, "grafana")
    assert own["/run/secrets/grafana_password"] == password(SALT, "grafana").encode()
    assert grafana.env["GF_SECURITY_ADMIN_PASSWORD__FILE"] in secrets(found, "grafana")
    (source,) = read(own["/etc/grafana/provisioning/datasources/modelwright.yaml"])["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    (provider,) = read(own["/etc/grafana/provisioning/dashboards/modelwright.yaml"])["providers"]
    folder = provider["options"]["path"]
    titles = {path: json.loads(content)["title"] for path, content in own.items() if path.startswith(folder)}
    assert titles == {f"{folder}/gateway.json": "Gateway", f"{folder}/edge.json": "Edge"}
    assert not grafana.outside


async def test_grafana_shows_what_runs_elsewhere_and_hides_where_that_is(tmp_path: Path) -> None:
    away = 'prometheus: {url: "${secret:ALERTS_URL}"}, loki: {url: "http://loki.example.com:3100"}, grafana: {}'
    found, brought = site(tmp_path, away)
    assert {one.name for one in found.workloads} & {"prometheus", "loki"} == set()
    path = "/etc/grafana/provisioning/datasources/modelwright.yaml"
    assert path in secrets(found, "grafana")
    sources = read((await files(found, brought, "grafana"))[path])["datasources"]
    assert {one["type"]: one["url"] for one in sources} == {"prometheus": HOOK, "loki": "http://loki.example.com:3100"}
    assert workload(found, "grafana").outside
