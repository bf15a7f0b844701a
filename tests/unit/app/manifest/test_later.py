"""What belongs to the design but not to this version is refused by name, never accepted and never 'unknown'."""

from typing import Any

import pytest
from ruamel.yaml import YAML

from modelwright.app.document.tree import Path
from modelwright.app.manifest.later import LATER
from modelwright.app.manifest.load import check_manifest
from modelwright.app.manifest.shape import ANYTHING, annotation_at
from tests.unit.app.manifest.conftest import Write

DESIGN = """
models:
  digits: {source: ./digits.onnx, check: ./check.json, placement: {group: small}}
  small-chat:
    source: ./chat.gguf
    engine: {kind: openvino-llm, context: 2048, threads: 1}
    batching: {max_rows: 32, queue_rows: 256}
    resources: {cpu: 1, memory: 16Mi, gpu: 0}
    scale: {min: 1, max: 4, on: {in_flight: 8}, idle: 10m}
providers:
  openai: {kind: openai, keys: ["${secret:OPENAI_API_KEY}"], optional: true}
  pool: {kind: vllm, base_url: "http://10.0.0.7:8000/v1", optional: true}
prompts:
  support: {source: ./prompts/support/}
endpoints:
  assistant:
    variants:
      stable: {provider: openai, model: gpt-4o-mini, prompt: support@v1, weight: 90}
      canary: {serve: small-chat, prompt: support@v2, weight: 10}
    split: {by: user, header: x-user-id}
    fallback: [stable, canary]
    timeout: {connect: 2s, first_token: 20s, idle: 15s, total: 300s}
    retries: {attempts: 2}
    cache: {exact: {ttl: 1h}}
    guard: {input: {pii: mask, injection: block}, output: {pii: mask}, on_error: block}
    rollout: {steps: [10%, 50%, 100%], pause: 10m, on_no_data: hold}
access:
  auth: required
  limits: {key: {requests: 600/min, tokens: 100k/min, concurrency: 50}, tenant: {cost: 10 USD/day}}
  oidc: {company: {issuer: "https://login.example.com", audience: modelwright}}
gateway: {listen: "127.0.0.1:8000", grpc: "127.0.0.1:8081", admin: "127.0.0.1:8001", workers: 1, max_body: 32MiB}
store: {database: sqlite, redis: none}
observe: {log: {format: json}, content: none, otlp: none, sentry: none}
alerts: {success_rate: {below: 95%, for: 5m}}
notify: {ops: {webhook: "${secret:HOOK}"}}
apps:
  api: {image: "api:1", port: 8080, env: {DATABASE_URL: "${service:postgres.url}", LLM_URL: "${gateway:url}"}}
  web: {build: ./prompts, port: 80}
services: {postgres: {version: 16}, redis: {}}
routes: {kb: {host: kb.example.com, paths: {/: web}}}
backup: {every: 1d, keep: 14, to: "s3://bucket/path"}
targets:
  edge-1: {kind: docker, host: "ssh://deploy@host.example.com", keep_releases: 5}
environments:
  production: {target: edge-1, gateway: {workers: 4}, store: {database: "${secret:DATABASE_URL}", redis: "${secret:R}"}}
"""


def tree_with(path: Path) -> dict[str, Any]:
    names = {"endpoints": "e", "models": "m", "variants": "v"}
    tree: dict[str, Any] = {
        "models": {"m": {"source": "./chat.gguf"}},
        "endpoints": {"e": {"variants": {"v": {"serve": "m"}}}},
    }
    here = tree
    for before, step in zip((None, *path), path[:-1], strict=False):
        here = here.setdefault(names[str(before)] if step == ANYTHING else str(step), {})
    here[str(path[-1])] = "anything"
    return tree


@pytest.mark.parametrize("path", [later.path for later in LATER], ids=str)
def test_each_of_them_is_refused_by_name(write: Write, path: Path) -> None:
    file = write("")
    with file.open("w", encoding="utf-8") as opened:
        YAML(typ="safe", pure=True).dump({"schema": 1, "name": "test", **tree_with(path)}, opened)
    (fault,) = check_manifest(file, env={}).faults
    assert fault.problem == f"`{path[-1]}` is not available in this version"
    assert fault.key.endswith(str(path[-1]))
    assert fault.remedy


@pytest.mark.parametrize("path", [later.path for later in LATER], ids=str)
def test_none_of_them_is_in_the_schema(path: Path) -> None:
    assert annotation_at(tuple("x" if step == ANYTHING else step for step in path)) is None


def test_the_whole_design_is_understood(write: Write) -> None:
    faults = check_manifest(write(DESIGN), env={}).faults
    assert len(faults) > 5
    understood = ("is not available in this version", "`${secret:DATABASE_URL}` is missing", "`${secret:R}` is missing")
    assert not [fault for fault in faults if not any(words in fault.problem for words in understood)]


@pytest.mark.parametrize(
    "text",
    [
        "models: {m: {source: 'http://example.com/m.onnx'}}",
        "models: {m: {source: 'hf://org/repo@main'}}",
    ],
)
def test_values_of_the_design_are_refused(write: Write, text: str) -> None:
    (fault,) = check_manifest(write(text), env={}).faults
    assert fault.problem == "this value is not available in this version"


def test_a_value_from_outside_is_judged_too(write: Write) -> None:
    path = write("models: {m: {source: '${env:SOURCE}'}}")
    assert not check_manifest(path, env={"SOURCE": "./chat.gguf"}).faults
    assert [fault.problem for fault in check_manifest(path, env={"SOURCE": "hf://org/repo"}).faults] == [
        "this value is not available in this version (in development)"
    ]
