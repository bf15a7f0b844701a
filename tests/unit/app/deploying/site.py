"""A manifest with a bit of everything that a target can run, written wherever a test wants it."""

from __future__ import annotations

from pathlib import Path

from modelwright.app.deploying.desired.build import desired
from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.prepare import prepare
from modelwright.core.deploying.workloads import Desired, Workload
from tests.making.onnx_models import double

SALT = "salt of the tests"
IMAGES = {"gateway": "sha256:1111", "api": "sha256:2222"}
MANIFEST = """\
schema: 1
name: kb
models:
  digits: {source: ./models/digits.onnx, check: ./seven.json}
  greeter: {engine: {kind: "python:greeting.greeter:Greeter", env: {TOKEN: "${secret:TOKEN}"}}}
  scores: {source: ./models/digits.onnx}
  steps:
    pipeline:
      steps:
        one: {model: scores}
        before: {activate: softmax}
        after: {normalize: l2}
providers:
  openai: {kind: openai, keys: ["${secret:OPENAI_API_KEY}"]}
prompts:
  support: {source: ./prompts/support/}
endpoints:
  assistant: {variants: {main: {provider: openai, model: gpt-4o-mini, prompt: support@v1}}}
store: {database: "${service:postgres.url}", redis: "${service:redis.url}"}
apps:
  api:
    build: ./backend
    port: 8080
    health: /healthz
    replicas: 2
    release_command: alembic upgrade head
    env:
      DATABASE_URL: "${service:postgres.url}"
      DATABASE_HOST: "${service:postgres.host}"
      LLM_URL: "${gateway:url}/v1"
      LLM_KEY: "${key:api}"
      HOOK: "https://example.com/${secret:HOOK}"
      MODE: "quiet $${HOME}"
  web: {image: "example/web:1", port: 80}
services: {postgres: {version: 16, vector: true, size: 20Gi}, redis: {}}
routes:
  main: {host: app.example.com, paths: {/: web, /api: api, /v1: gateway}, affinity: {cookie: who}, rate_limit: 600/min}
targets:
  edge-1: {kind: docker, host: "ssh://deploy@host.example.com", keep_releases: 3}
environments:
  production: {target: edge-1}
"""
SECRETS = {"OPENAI_API_KEY": "sk-planted-1", "TOKEN": "planted-2", "HOOK": "planted-3"}


def write(folder: Path, manifest: str = MANIFEST, *, secrets: dict[str, str] = SECRETS) -> Path:
    """The manifest's path, with all the files that it names beside it."""
    for name in ("models", "prompts/support", "backend", "greeting"):
        (folder / name).mkdir(parents=True)
    double(folder / "models" / "digits.onnx")
    (folder / "seven.json").write_text('{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1]}]}')
    (folder / "prompts" / "support" / "v1.md").write_text("You help.\n")
    (folder / "backend" / "pyproject.toml").write_text('[project]\nname = "api"\nversion = "1"\n')
    (folder / "greeting" / "__init__.py").write_text("")
    (folder / "greeting" / "greeter.py").write_text("class Greeter: ...\n")
    (folder / ".env.production").write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    path = folder / "modelwright.yaml"
    path.write_text(manifest)
    return path


def described(path: Path, *, salt: str = SALT) -> tuple[Desired, Brought]:
    """What production should run."""
    return desired(prepare(path, environment="production"), images=IMAGES, salt=salt)


def workload(of: Desired, name: str) -> Workload:
    return next(one for one in of.workloads if one.name == name)
