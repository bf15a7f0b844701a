"""From a manifest to recipes, from this machine's settings to secrets of a build, and this package as a wheel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from modelwright.app.packaging.recipes import flavour_of, recipes
from modelwright.app.packaging.secrets import build_secrets
from modelwright.app.packaging.wheel import running_version, running_wheel
from modelwright.core.errors.deploying import BuildFailed
from modelwright.deploy.images.own import Flavour

HEAD = "schema: 1\nname: kb\n"
CHAT = """\
providers: {dev: {kind: vllm, base_url: "http://127.0.0.1:9/v1"}}
endpoints: {chat: {variants: {only: {provider: dev, model: x}}}}
"""


def manifest(folder: Path, text: str) -> Path:
    path = folder / "modelwright.yaml"
    path.write_text(HEAD + text)
    return path


def test_a_manifest_without_models_needs_no_engine(tmp_path: Path) -> None:
    loaded = load_manifest(manifest(tmp_path, CHAT + "build: {python: 'python:3.12-slim'}\n"), env={})
    assert flavour_of(loaded) == Flavour()
    gateway, keeper = recipes(loaded)
    assert (gateway.dockerfile, gateway.files) == (keeper.dockerfile, keeper.files)
    assert gateway.bases == ("python:3.12-slim",)
    assert [recipe.name for recipe in recipes(loaded, names=["keeper"])] == ["keeper"]
    with pytest.raises(BuildFailed, match="api has no image"):
        recipes(loaded, names=["api"])


def test_models_say_which_libraries_an_image_needs(tmp_path: Path) -> None:
    models = "models: {talk: {engine: {kind: toy-text}, source: ./x}, see: {engine: {kind: toy-tensor}, source: ./x}}\n"
    (tmp_path / "x").write_text("x")
    loaded = load_manifest(manifest(tmp_path, models + "gateway: {grpc: '127.0.0.1:0'}\n"), env={})
    assert flavour_of(loaded).extras == ("grpc", "serving")
    gateway = recipes(loaded, names=["gateway"])[0]
    assert gateway.repository == "modelwright/serving-grpc-serving"
    lock = gateway.files["requirements.txt"].decode()
    assert "\ngrpcio==" in lock
    assert "\nonnxruntime==" in lock
    assert "openvino" not in lock


def test_faults_of_the_section_are_told_with_their_remedy(tmp_path: Path) -> None:
    path = manifest(tmp_path, CHAT + "build: {registry: 'https://r.example.com/', platforms: [arm64, linux/amd64]}\n")
    told = {fault.key: fault.problem for fault in check_manifest(path, env={}).faults}
    assert told == {
        "build.registry": "'https://r.example.com/' is no place in a registry",
        "build.platforms": "'arm64' is no platform",
    }
    path = manifest(tmp_path, CHAT + "build: {extras: [images]}\n")
    assert flavour_of(load_manifest(path, env={})).extras == ("images",)
    path = manifest(tmp_path, CHAT + "build: {platforms: [linux/arm64, linux/amd64]}\n")
    (fault,) = check_manifest(path, env={}).faults
    assert fault.remedy == "name build.registry, or keep one platform"


def test_the_settings_of_this_machine_go_into_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    (home / ".config/pip").mkdir(parents=True)
    out.mkdir()
    (home / ".config/pip/pip.conf").write_text(
        "[global]\nextra-index-url = https://u:p@one.example/\n   https://two/\n"
    )
    (home / ".npmrc").write_text("registry=https://npm.example/\n")
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    env = {"PIP_INDEX_URL": "https://pypi.example/it's", "PIP_FIND_LINKS": "/opt/wheels", "PATH": "/bin"}
    found = build_secrets(env, ca_bundle=bundle, home=home, out=out)
    assert found == {"ca": bundle, "npmrc": home / ".npmrc", "settings": out / "settings"}
    assert (out / "settings").stat().st_mode & 0o777 == 0o600
    names = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "NPM_CONFIG_USERCONFIG")
    said = subprocess.run(
        ["sh", "-c", f". {out / 'settings'}; printenv {' '.join(names)}; printenv PIP_FIND_LINKS"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
        timeout=30,
    )
    assert said.stdout.splitlines() == [
        "https://pypi.example/it's",
        "https://pypi.example/it's",
        "https://u:p@one.example/ https://two/",
        "/run/secrets/ca",
        "/run/secrets/npmrc",
    ]


def test_a_bundle_that_is_none_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.pem", tmp_path / "text.pem"):
        (tmp_path / "text.pem").write_text("hello")
        with pytest.raises(BuildFailed) as refused:
            build_secrets({}, ca_bundle=path, home=tmp_path, out=tmp_path)
        assert refused.value.place == "build.ca_bundle"


def test_this_package_becomes_a_wheel_that_runs(tmp_path: Path) -> None:
    name, content = running_wheel()
    assert (name, content) == running_wheel.__wrapped__()
    (tmp_path / name).write_bytes(content)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", str(tmp_path / "to"), str(tmp_path / name)], check=True, timeout=120)
    said = subprocess.run(
        [sys.executable, "-m", "modelwright", "--version"],
        env={"PYTHONPATH": str(tmp_path / "to")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert said.stdout.strip() == f"modelwright {running_version()}"
    assert (tmp_path / "to/bin/modelwright").exists()
