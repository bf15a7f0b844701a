"""The texts of faults, as people read them: compared with tests/golden/manifest_faults.txt, and never with jargon."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from modelwright.app.manifest.load import check_manifest, load_manifest
from modelwright.cli.errors import fault_lines
from modelwright.core.errors.tree import ManifestError
from tests.unit.app.manifest.conftest import Write

GOLDEN = Path(__file__).parents[3] / "golden" / "manifest_faults.txt"
FILE = """\
schema: 2
name: Bad_Name
gatway: {workers: 1}
gateway:
  listen: "8000"
  admin: ":8001"
  workers: "4"
  max_body: 32
  max_in_flight: 0
  trusted_proxies: [10.0.0.1/8]
prompts: {a: {source: b}, support: {source: ./prompts/support, aliases: {live: v3}}}
models:
  digits:
    sorce: ./digits.onnx
    engine: {kind: onnx, threads: 1.5, precision: fp32}
  empty:
  remote: {source: "https://example.com/model.onnx"}
  pickled: {source: ./digits.pkl, check: ./missing.json}
  other: {source: ./notes.txt, digest: "sha256:12", batching: {max_rows: many, queue_bytes: 1 GB}}
  wrong: {source: ./digits.onnx, engine: {kind: openvino-llm}, scale: {max: 4}}
  tensors: {source: ./digits.onnx, engine: {cache: 1MiB}, batching: {max_sequences: 3}}
  chat: {source: ./chat.gguf, labels: ./names.txt}
  later: {source: ./chat.gguf, engine: {kind: vllm}}
  own: {source: "python:models:Greeter"}
  mine: {engine: "python:models:Greeter"}
providers:
  openai: {kind: openai}
  typo: {kind: opennai, keys: sk-topsecret}
  pool: {kind: vllm, optional: yes}
  options:
    {kind: azure-openai, base_url: "https://h", keys: ["${secret:KEY}"], options: {api_verion: "1", api_version: 2}}
  password: {kind: vllm, base_url: "http://user:hunter2@host/v1"}
  outside: {kind: vllm, base_url: "${URL}"}
  secret: {kind: vllm, base_url: "${secret:URL}"}
  vault: {kind: vllm, base_url: "${vault:url}"}
  missing: {kind: vllm, base_url: "${env:MISSING}", keys: ["${file:missing.txt}"]}
endpoints:
  zero: {variants: {a: {provider: opnai, model: m, weight: 0}}}
  none: {variants: {}}
  both: {variants: {a: {serve: chat, model: m}, b: {}, c: {provider: openai}}}
  limits: {variants: {a: {serve: chat}}, timeout: {total: 300, connect: 0s, idle: soon}}
  cached: {variants: {a: {serve: chat}}, cache: {exact: {ttl: 1, ignore: [seed]}}}
  mixed: {variants: {a: {serve: chat}, b: {serve: tensors}}}
  digits: {variants: {a: {serve: chat, prompt: suport@v1}, b: {serve: chat, prompt: support@lve}}}
  alike: {variants: {a: {serve: chat}, b: {serve: chat}}, cache: {semantic: {endpoint: alike, threshold: 2, check: 0}}}
  lost: {variants: {a: {serve: chat}}, cache: {semantic: {endpoint: vectors}}}
  tensor-cache: {variants: {a: {serve: tensors}}, cache: {exact: {}}}
  limits: {}
access:
  auth: none
  limits: {key: {requests: 600/s, tokens: "1/min, 2/min", concurrency: 0}, adress: {requests: 0.5/min}, user: {cost: x}}
  counting: {time_zone: Mars/Olympus}
store: {redis: "redis://user:hunter2@localhost", database: "postgres://user:hunter2@localhost/db"}
environments:
  prodution: {}
  test: [1]
  production:
    gateway: {listen: "0.0.0.0:80", adminn: null}
    environments: {}
    schema: 1
"""


@pytest.fixture
def bad(folder: Path) -> Path:
    (folder / "digits.pkl").write_bytes(b"\x80\x04\x95\x00\x00")
    (folder / "notes.txt").write_text("no model")
    path = folder / "modelwright.yaml"
    path.write_text(FILE, "utf-8")
    return path


def shown(path: Path) -> str:
    return fault_lines(check_manifest(path, env={}).faults).replace(f"{path.parent}/", "") + "\n"


def test_the_texts_are_the_ones_that_were_read_through(bad: Path) -> None:
    assert shown(bad) == GOLDEN.read_text("utf-8")


def test_no_jargon_no_address_of_a_library_and_no_secret(bad: Path) -> None:
    text = shown(bad)
    jargon = r"pydantic|ruamel|Traceback|errors\.pydantic|type=|input_value|NoneType|\bdict\b|\bstr\b|Input should"
    assert not re.findall(jargon, text)
    assert "topsecret" not in text
    assert "hunter2" not in text


def test_faults_are_sorted_by_line_and_have_all_their_pieces(bad: Path) -> None:
    faults = check_manifest(bad, env={}).faults
    assert [fault.line for fault in faults] == sorted(fault.line for fault in faults)
    assert all(fault.path and fault.problem and fault.remedy for fault in faults)
    assert len(set(faults)) == len(faults)
    assert {fault.nearest for fault in faults} >= {"gateway", "source", "production", "api_version", "admin"}


def test_loading_tells_the_same_as_checking(bad: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load_manifest(bad, env={})
    checked = {(fault.line, fault.key) for fault in check_manifest(bad, env={}).faults}
    assert {(fault.line, fault.key) for fault in caught.value.faults} <= checked


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text("ab${:}", max_size=6)),
    lambda below: st.one_of(
        st.lists(below, max_size=2), st.dictionaries(st.text("ab-", max_size=3), below, max_size=2)
    ),
    max_leaves=4,
)
paths = st.sampled_from(
    [
        ("name",), ("schema",), ("models",), ("models", "digits"), ("models", "digits", "source"),
        ("models", "digits", "engine"), ("models", "digits", "engine", "options"), ("providers",), ("providers", "p"),
        ("providers", "p", "keys"), ("providers", "p", "base_url"), ("providers", "p", "options"), ("endpoints",),
        ("endpoints", "e"), ("endpoints", "e", "variants"), ("endpoints", "e", "variants", "v"),
        ("endpoints", "e", "variants", "v", "weight"), ("gateway",), ("gateway", "listen"), ("gateway", "workers"),
        ("access", "auth"), ("environments",), ("environments", "test"), ("environments", "test", "gateway"),
    ]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(path=paths, value=anything)
def test_any_value_at_any_place_is_right_or_a_fault(write: Write, path: tuple[str, ...], value: object) -> None:
    tree = {
        "models": {"digits": {"source": "./digits.onnx"}},
        "providers": {"p": {"kind": "vllm", "base_url": "http://h/v1"}},
        "endpoints": {"e": {"variants": {"v": {"provider": "p", "model": "m"}}}},
    }
    here: dict[str, object] = tree  # type: ignore[assignment]
    for step in path[:-1]:
        here = here.setdefault(step, {})  # type: ignore[assignment]
    here[path[-1]] = value
    file = write("")
    with file.open("w", encoding="utf-8") as opened:
        YAML(typ="safe", pure=True).dump({"schema": 1, "name": "test", **tree}, opened)
    report = check_manifest(file, env={})
    assert all(fault.line > 0 and fault.problem and fault.remedy for fault in report.faults)
    if not report.faults:
        assert load_manifest(file, env={})
