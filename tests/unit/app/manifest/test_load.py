"""Loading a manifest: what comes out of a right one."""

import json
from pathlib import Path

import pytest

from modelwright.app.manifest.load import LoadedManifest, check_manifest, load_manifest
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ManifestError
from tests.unit.app.manifest.conftest import Write

MODELS = "models:\n  digits: {source: ./digits.onnx, check: ./check.json}\n  chat: {source: chat.gguf}\n"
REMOTE = "providers:\n  openai: {kind: openai, keys: ['${secret:OPENAI_API_KEY}'], optional: true}\n"
ENDPOINT = "endpoints:\n  remote: {variants: {main: {provider: openai, model: gpt}}}\n"


def load(path: Path, environment: str | None = None, **env: str) -> LoadedManifest:
    return load_manifest(path, environment=environment, env=env)


def faults(path: Path, environment: str | None = None, **env: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(path, environment, **env)
    return [f"{fault.line} {fault.key}: {fault.problem}" for fault in caught.value.faults]


def test_a_right_manifest(write: Write, folder: Path) -> None:
    loaded = load(write(MODELS + REMOTE + ENDPOINT), OPENAI_API_KEY="sk-1")
    assert loaded.manifest.name == "test"
    assert loaded.manifest.gateway.listen == "127.0.0.1:8000"
    assert loaded.engines == {"digits": "onnxruntime", "chat": "openvino-llm"}
    assert loaded.operations == {
        "digits": ("infer", "predict"),
        "chat": ("chat", "completions", "messages", "responses"),
        "remote": ("chat", "completions", "embeddings", "messages", "responses"),
    }
    assert loaded.off == {}
    assert loaded.secrets == ("OPENAI_API_KEY",)
    assert (loaded.faults, loaded.warnings) == ((), ())
    assert loaded.base_dir == folder
    assert loaded.state_dir == folder / ".modelwright"
    assert loaded.source("digits") == folder / "digits.onnx"
    assert loaded.check("digits") == folder / "check.json"
    assert loaded.check("chat") is None
    assert loaded.environment == "development"


def test_a_relative_path_and_a_link_keep_state_beside_the_name(
    write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write(MODELS)
    moved = folder / "elsewhere"
    moved.mkdir()
    real.rename(moved / "real.yaml")
    real.symlink_to(moved / "real.yaml")
    monkeypatch.chdir(folder)
    loaded = load(Path("modelwright.yaml"))
    assert loaded.path == folder / "modelwright.yaml"
    assert loaded.state_dir == folder / ".modelwright"


def test_an_optional_provider_is_off_while_something_is_missing(write: Write) -> None:
    text = "providers:\n  p: {kind: vllm, base_url: '${env:URL}/v1', keys: ['${secret:KEY}'], optional: true}\n"
    path = write(text + "endpoints: {e: {variants: {v: {provider: p, model: m}}}}\n")
    assert load(path).off == {"p": "set URL and KEY"}
    assert load(path, URL="http://h").off == {"p": "set KEY"}
    assert load(path, URL="http://h", KEY="").off == {"p": "set KEY"}
    on = load(path, URL="http://h", KEY="k")
    assert on.off == {}
    assert on.manifest.providers["p"].base_url == "http://h/v1"


def test_a_missing_file_turns_an_optional_provider_off_too(write: Write, folder: Path) -> None:
    text = "providers:\n  p: {kind: vllm, base_url: '${file:url.txt}', optional: true}\n"
    path = write(text + "endpoints: {e: {variants: {v: {provider: p, model: m}}}}\n")
    assert load(path).off == {"p": "write the file url.txt"}
    (folder / "url.txt").write_text("http://h/v1\n")
    assert load(path).manifest.providers["p"].base_url == "http://h/v1"


def test_a_provider_that_is_not_optional_needs_its_values(write: Write) -> None:
    path = write(REMOTE.replace(", optional: true", "") + ENDPOINT)
    assert faults(path) == ["4 providers.openai.keys[0]: `${secret:OPENAI_API_KEY}` is missing or empty"]
    assert faults(path, OPENAI_API_KEY=" ") == faults(path)


def test_values_from_outside_become_what_their_place_declares(write: Write, folder: Path) -> None:
    (folder / "workers").write_text("3\n")
    text = (
        "gateway: {workers: '${file:workers}', max_body: '${env:SIZE}MiB', listen: '${env:HOST}:0'}\n"
        "observe: {log: {level: '${env:LEVEL}'}}\n"
    )
    gateway = load(write(MODELS + text), SIZE="8", HOST="localhost", LEVEL="debug").manifest.gateway
    assert (gateway.workers, gateway.max_body, gateway.listen) == (3, "8MiB", "localhost:0")


def test_a_value_from_outside_that_does_not_fit_is_a_fault_that_does_not_show_it(write: Write) -> None:
    path = write(MODELS + "gateway: {workers: '${env:N}', max_body: '${env:S}'}\n")
    found = faults(path, N="hunter2", S="hunter2")
    assert found == [
        "6 gateway.max_body: *** is not a size",
        "6 gateway.workers: *** is not a whole number",
    ]


def test_overlays_are_laid_upon_the_file(write: Write) -> None:
    text = "environments:\n  production:\n    gateway: {workers: 4}\n    models: {chat: null}\n"
    path = write(MODELS + "gateway: {max_body: 1MiB}\n" + text)
    assert load(path).manifest.gateway.workers == 1
    production = load(path, "production").manifest
    assert (production.gateway.workers, production.gateway.max_body) == (4, "1MiB")
    assert list(production.models) == ["digits"]
    assert load(path, MODELWRIGHT_ENV="production").environment == "production"
    assert production.environments == {}
    with pytest.raises(StartError):
        load(path, "prod")


def test_a_fault_in_an_overlay_names_its_line(write: Write) -> None:
    path = write(MODELS + "environments:\n  production:\n    gateway:\n      workers: many\n")
    assert load(path)
    assert faults(path, "production") == ["9 gateway.workers: 'many' is not a whole number"]


def test_a_development_run_reads_no_file_of_production(write: Write, folder: Path) -> None:
    (folder / ".env.production").write_text("URL=http://production\n")
    (folder / ".env.development").write_text("URL=http://development\n")
    path = write("providers: {p: {kind: vllm, base_url: '${env:URL}'}}\n" + ENDPOINT.replace("openai", "p"))
    assert load(path).manifest.providers["p"].base_url == "http://development"
    assert load(path, "production").manifest.providers["p"].base_url == "http://production"
    named = write(
        "providers: {p: {kind: vllm, base_url: '${file:.env.production}'}}\n" + ENDPOINT.replace("openai", "p")
    )
    assert faults(named) == ["3 providers.p.base_url: `${file:.env.production}` belongs to the environment production"]


def test_a_literal_key_is_a_warning_in_development_and_a_fault_elsewhere(write: Write) -> None:
    path = write("providers: {openai: {kind: openai, keys: [sk-topsecret, '${env:KEY}']}}\n" + ENDPOINT)
    loaded = load(path, KEY="sk-other")
    assert [warning.key for warning in loaded.warnings] == ["providers.openai.keys[0]", "providers.openai.keys[1]"]
    assert [key.reveal() for key in loaded.manifest.providers["openai"].keys] == ["sk-topsecret", "sk-other"]
    assert len(faults(path, "production", KEY="sk-other")) == 2


def test_secrets_are_never_shown(write: Write) -> None:
    loaded = load(write("providers: {openai: {kind: openai, keys: [sk-topsecret]}}\n" + ENDPOINT))
    provider = loaded.manifest.providers["openai"]
    shown = (
        repr(loaded), str(loaded), repr(loaded.manifest), str(loaded.manifest), repr(provider), f"{provider.keys[0]}",
        str(provider.keys), loaded.manifest.model_dump_json(), str(loaded.manifest.model_dump()), str(loaded.warnings),
    )  # fmt: skip
    assert not [text for text in shown if "topsecret" in text]
    assert json.loads(loaded.manifest.model_dump_json())["providers"]["openai"]["keys"] == ["***"]


def test_the_digest_is_that_of_the_meaning_without_secrets(write: Write) -> None:
    text = REMOTE + ENDPOINT
    digest = load(write(text), OPENAI_API_KEY="one").digest
    assert digest.startswith("sha256:")
    assert load(write("# a comment\n" + text), OPENAI_API_KEY="two").digest == digest
    assert load(write(text + "gateway: {workers: 1}\n")).digest == digest
    assert load(write(text + "gateway: {workers: 2}\n")).digest != digest
    assert load(write(text.replace("OPENAI_API_KEY", "OTHER"))).digest != digest
    one, other = (load(write(text.replace("${secret:OPENAI_API_KEY}", key))).digest for key in ("sk-1", "sk-2"))
    assert one == other


def test_values_of_the_manifest_cannot_be_changed(write: Write) -> None:
    loaded = load(write(MODELS))
    with pytest.raises(ValueError, match="frozen"):
        loaded.manifest.gateway.workers = 2
    with pytest.raises(AttributeError):
        loaded.environment = "production"  # type: ignore[misc]


def test_check_looks_at_all_environments_but_looks_values_up_for_one(write: Write) -> None:
    text = "environments:\n  test: {gateway: {workers: 0}}\n  production: {gateway: {listen: '${env:LISTEN}'}}\n"
    report = check_manifest(write(MODELS + text), env={})
    assert [(fault.line, fault.problem) for fault in report.faults] == [(7, "0 is below 1 (in test)")]
    production = check_manifest(write(MODELS + text), environment="production", env={})
    assert [fault.line for fault in production.faults] == [7, 8]
    assert report.environment == "development"


def test_a_bad_env_file_is_a_fault_like_any_other(write: Write, folder: Path) -> None:
    path = write(MODELS)
    (folder / ".env").write_text("nonsense\n")
    assert faults(path) == ["1 : this is no KEY=VALUE line"]
    (folder / ".env").write_bytes(b"A=\xff")
    assert "is not UTF-8" in faults(path)[0]
    assert check_manifest(path, env={}).faults


def test_a_file_that_is_no_manifest(folder: Path) -> None:
    path = folder / "m.yaml"
    assert faults(path) == ["0 : there is no such file"]
    assert faults(folder) == ["0 : this is a directory"]
    path.write_bytes(b"schema: 1\nname: \xff\n")
    assert faults(path) == ["2 : bytes that are not UTF-8"]
    path.write_text("{}")
    assert faults(path) == [
        "1 : `name` is missing",
        "1 : `schema` is missing",
        "1 : names no model and no endpoint, so nothing could be called",
    ]
