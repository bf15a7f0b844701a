"""`modelwright render edge` as a process; what it writes is read by the programs that it is for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.e2e.running import modelwright
from tests.making.certificates import make_certificates

pytestmark = pytest.mark.e2e

MANIFEST = """\
schema: 1
name: kb
providers: {openai: {kind: openai, keys: ["${secret:OPENAI_API_KEY}"]}}
endpoints: {assistant: {variants: {only: {provider: openai, model: gpt-4o-mini}}}}
target: here
store: {database: "${secret:DATABASE_URL}"}
targets: {here: {kind: docker}}
apps:
  localhost: {image: "web:1", port: 8080}
routes:
  kb:
    host: kb.example.com
    tls: {acme: ops@example.com}
    paths: {/: localhost, /api: localhost}
    affinity: {cookie: kept}
    max_body: 10MiB
    timeout: 60s
    rate_limit: 600/min
    headers: {X-Frame-Options: DENY}
  open: {paths: {/open: localhost}, affinity: {header: X-User}}
"""
CHECKS = {
    "haproxy": ("haproxy", "-c", "-f"),
    "nginx": ("nginx", "-t", "-q", "-e", "stderr", "-c"),
    "apache": ("apache2", "-t", "-f"),
}
APACHE = """\
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
ErrorLog /dev/stderr
DefaultRuntimeDir {folder}
Listen 127.0.0.1:80
Listen 127.0.0.1:443
{modules}
Include {file}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "modelwright.yaml").write_text(MANIFEST)
    made = make_certificates(tmp_path)
    both = (made / "server.pem").read_bytes() + (made / "server.key").read_bytes()
    (tmp_path / "kb.example.com.pem").write_bytes(both)
    return tmp_path


def render(folder: Path, kind: str, *words: str) -> "subprocess.CompletedProcess[str]":
    places = ("--folder", str(folder), "--certificates", str(folder))
    return modelwright("render", "edge", "-f", str(folder / "modelwright.yaml"), "--kind", kind, *places, *words)


@pytest.mark.parametrize("kind", CHECKS)
def test_its_program_takes_it_without_a_warning(folder: Path, kind: str) -> None:
    written = render(folder, kind, "--out", str(folder / "out"))
    assert (written.returncode, written.stderr) == (0, "")
    (file,) = (folder / "out").iterdir()
    if kind == "apache":
        file = _whole(folder, file)
    name, *words = CHECKS[kind]
    program = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert program, f"{name} is not installed: sh tests/system-packages.sh {name}"
    done = subprocess.run([program, *words, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "warn" in line.lower()]


def _whole(folder: Path, file: Path) -> Path:
    """With the modules that it says it needs, as a site has them."""
    needed = file.read_text().partition("\n")[0].removeprefix("# Needs the modules ").rstrip(".").split(", ")
    loaded = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in ["mpm_event", *needed]
    )
    site = folder / "apache.conf"
    site.write_text(APACHE.format(folder=folder, modules=loaded, file=file))
    return site


def test_traefik_is_told_the_same(folder: Path) -> None:
    printed = render(folder, "traefik")
    told = YAML(typ="safe").load(printed.stdout)
    assert told["http"]["routers"]["kb-api"] == {
        "rule": "Host(`kb.example.com`) && (Path(`/api`) || PathPrefix(`/api/`))",
        "service": "kb-api",
        "priority": 3,
        "entryPoints": ["websecure"],
        "middlewares": ["kb-api-rate", "kb-api-headers"],
        "tls": {},
    }
    assert told["http"]["services"]["kb"]["weighted"]["services"] == [{"name": "kb-all", "weight": 100}]
    assert told["tls"]["certificates"][0]["certFile"].endswith("kb.example.com.pem")


def test_a_route_may_lead_to_the_dashboards(tmp_path: Path) -> None:
    (tmp_path / "modelwright.yaml").write_text(
        "schema: 1\nname: kb\nproviders: {p: {kind: openai, base_url: http://llm.example.com/v1}}\n"
        "endpoints: {e: {variants: {v: {provider: p, model: m}}}}\nservices: {prometheus: {}, grafana: {}}\n"
        "routes: {graphs: {host: graphs.example.com, paths: {/: grafana}}}\n"
    )
    assert "grafana:3000" in render(tmp_path, "nginx").stdout


def test_rules_of_a_firewall_are_read_by_nft(folder: Path) -> None:
    words = ("--also", "2222", "--peer", "10.0.0.2", "--peer", "fd00::2")
    printed = modelwright("render", "firewall", "-f", str(folder / "modelwright.yaml"), *words)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert "tcp dport { 80, 443, 2222 } accept" in printed.stdout
    (folder / "rules.nft").write_text(printed.stdout)
    program = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin")
    assert program, "nft is not installed: sh tests/system-packages.sh nft"
    alone = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    test = [*alone, program, "-c", "-f", str(folder / "rules.nft")]
    done = subprocess.run(test, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_hosts_that_are_joined_are_not_cut_off_from_each_other(folder: Path) -> None:
    several = MANIFEST.replace(
        "{kind: docker}", '{kind: docker, hosts: ["ssh://a.example.com", "ssh://b.example.com"]}'
    )
    (folder / "modelwright.yaml").write_text(several)
    refused = modelwright("render", "firewall", "-f", str(folder / "modelwright.yaml"))
    assert refused.returncode != 0
    assert "has 2 hosts, which would not reach each other any more" in refused.stderr
    assert "--peer 10.0.0.1 --peer 10.0.0.2" in refused.stderr


def test_without_routes_there_is_nothing_to_write(folder: Path) -> None:
    (folder / "modelwright.yaml").write_text(MANIFEST.partition("routes:")[0])
    refused = render(folder, "nginx")
    assert refused.returncode != 0
    assert "names no route" in refused.stderr
