"""`modelwright check`, `schema` and `explain` as processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

PROGRAM = Path(sys.executable).with_name("modelwright")
BAD = "schema: 1\nname: demo\nmodles:\n  chat: {sorce: ./chat.gguf, scale: {min: -1}}\n"


def run(folder: Path, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **env}
    return subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "chat.gguf").write_bytes(b"GGUF\x03" + bytes(19))
    (tmp_path / "modelwright.yaml").write_text(BAD, "utf-8")
    return tmp_path


def test_all_faults_then_mending_then_none(folder: Path) -> None:
    found = run(folder, "check")
    assert found.returncode == 3
    assert found.stdout == (
        "modelwright.yaml:1: names no model and no endpoint, so nothing could be called\n"
        "    Add a section `models`\n"
        "modelwright.yaml:3: modles: `modles` is not a known key\n"
        "    Did you mean `models`?\n"
        "2 faults\n"
    )
    assert found.stderr == ""

    mended = run(folder, "check", "--write", "--json")
    assert mended.returncode == 3
    facts = json.loads(mended.stdout)
    assert facts["changed"] == [
        {"line": 3, "from": "modles", "to": "models"},
        {"line": 4, "from": "sorce", "to": "source"},
    ]
    assert [(fault["line"], fault["key"], fault["problem"]) for fault in facts["faults"]] == [
        (4, "models.chat.scale.min", "-1 is below 0")
    ]

    text = (folder / "modelwright.yaml").read_text("utf-8")
    (folder / "modelwright.yaml").write_text(text.replace("min: -1", "min: 1"), "utf-8")
    right = run(folder, "check")
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout == "modelwright.yaml: no faults (variables and secrets looked up for development)\n"
    assert json.loads(run(folder, "check", "--json").stdout)["ok"] is True


def test_what_cannot_be_checked_has_its_own_status(folder: Path) -> None:
    assert run(folder, "check", "-f", "none.yaml").returncode == 3
    assert run(folder, "check", "--env", "prod").returncode == 1
    assert "there is no environment 'prod'" in run(folder, "check", "--env", "prod").stderr
    assert run(folder, "check", "--nonsense").returncode == 2
    assert run(folder, "up").returncode == 3
    for verb in ("check", "explain", "up"):
        assert "Traceback" not in "".join(run(folder, verb, "-f", "none.yaml", *(["x"] * (verb == "explain"))).stderr)


def test_the_environment_and_its_files_are_honoured(folder: Path) -> None:
    manifest = "schema: 1\nname: demo\nproviders: {p: {kind: openai, keys: ['${secret:KEY}']}}\n"
    manifest += "endpoints: {e: {variants: {v: {provider: p, model: m}}}}\n"
    (folder / "modelwright.yaml").write_text(manifest, "utf-8")
    (folder / ".env.production").write_text("KEY=sk-topsecret\n", "utf-8")
    assert run(folder, "check").returncode == 3
    assert run(folder, "check", KEY="x").returncode == 0
    assert run(folder, "check", "--env", "production").returncode == 0
    assert run(folder, "check", MODELWRIGHT_ENV="production").returncode == 0
    shown = [run(folder, *words) for words in (["check", "--env", "production"], ["check"], ["explain", "e"])]
    assert not [result for result in shown if "topsecret" in result.stdout + result.stderr]


def test_the_schema_is_printed_for_editors(folder: Path) -> None:
    schema = json.loads(run(folder, "schema").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["schema"]["const"] == 1


def test_explain_answers_from_the_installation_s_salt(folder: Path) -> None:
    manifest = "schema: 1\nname: demo\nproviders: {p: {kind: ollama}}\nendpoints:\n  e:\n    split: {header: x-user}\n"
    manifest += "    variants: {a: {provider: p, model: m, weight: 1}, b: {provider: p, model: n, weight: 1}}\n"
    (folder / "modelwright.yaml").write_text(manifest, "utf-8")
    before = run(folder, "explain", "e", "--user", "u1")
    assert before.returncode == 0
    assert "no salt yet" in before.stdout
    (folder / ".modelwright").mkdir()
    salt = folder / ".modelwright" / "salt"
    salt.write_text("ab" * 32)
    salt.chmod(0o600)
    facts = [
        json.loads(run(folder, "explain", "e", "--user", f"u{number}", "--json").stdout)["variant"]
        for number in range(6)
    ]
    assert set(facts) == {"a", "b"}
    by_header = json.loads(run(folder, "explain", "e", "--header", "X-User=u1", "--user", "other", "--json").stdout)
    assert by_header["variant"] == facts[1]
    assert run(folder, "explain", "nobody").returncode == 1
    assert run(folder, "explain", "e", "--header", "x").returncode == 2


def test_a_build_server_checks_without_secrets(tmp_path: Path) -> None:
    manifest = "schema: 1\nname: demo\nproviders: {a: {kind: openai, keys: ['${secret:A_KEY}']}}\n"
    text = manifest + "endpoints: {chat: {variants: {only: {provider: a, model: m}}}}\n"
    (tmp_path / "modelwright.yaml").write_text(text, "utf-8")
    assert run(tmp_path, "check").returncode == 3
    right = run(tmp_path, "check", "--without-secrets")
    assert right.stdout == "modelwright.yaml: no faults (variables and secrets looked up for no environment)\n"
    (tmp_path / "modelwright.yaml").write_text(text.replace("model: m", "modle: m"), "utf-8")
    assert run(tmp_path, "check", "--without-secrets").returncode == 3


def test_programs_alone_are_right_for_a_target_and_nothing_to_start_here(tmp_path: Path) -> None:
    (tmp_path / "modelwright.yaml").write_text("schema: 1\nname: kb\napps: {web: {image: 'example/web:1'}}\n")
    assert run(tmp_path, "check").returncode == 0
    found = run(tmp_path, "up")
    assert found.returncode == 3
    assert found.stderr == (
        "modelwright.yaml:1: names no model and no endpoint, so nothing could be called\n"
        "    Add a section `models`, or run its programs on a target: modelwright deploy\n"
        "1 fault\n"
    )
