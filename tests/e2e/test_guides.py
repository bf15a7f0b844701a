"""Every manifest and every command in the guides works as written."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import patient
from tests.e2e.running import QUICKSTART, ROOT, Site, modelwright, program, quickstart, running

pytestmark = pytest.mark.e2e

PAGES = [*sorted((ROOT / "docs" / "guide").glob("*.md")), ROOT / "README.md", ROOT / "README.zh-CN.md"]
EMBEDDINGS = ROOT / "examples" / "embeddings"
SECRETS = {
    **dict.fromkeys(("OPENAI_API_KEY", "OPENAI_API_KEY_2", "DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY"), "sk-example"),
    "WEBHOOK_SECRET": "whsec_" + "A" * 32,
    "VAULT_SECRET_ID": "example",
    "API_TOKEN": "example",
    "DATABASE_URL": "postgresql://user:password@host/database",
}


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _manifests() -> list[tuple[str, str]]:
    whole = [(page.name, block) for page in PAGES for block in _blocks(page, "yaml")]
    return [(name, block if "schema:" in block else f"schema: 1\nname: example\n{block}") for name, block in whole]


def _commands(name: str) -> list[str]:
    lines = [line for block in _blocks(ROOT / "docs" / "guide" / name, "console") for line in block.splitlines()]
    return [line[2:].partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


@pytest.mark.parametrize(("page", "text"), _manifests())
def test_a_manifest_in_the_guides_is_valid(
    page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    path = quickstart(tmp_path)
    shutil.copytree(EMBEDDINGS / "models", path.parent / "models", dirs_exist_ok=True)
    (path.parent / "age.key").write_text("AGE-SECRET-KEY-1\n")
    for project in ("backend", "frontend"):
        (path.parent / project).mkdir(exist_ok=True)
        (path.parent / project / "README.md").write_text("A project of the user's.\n")
    path.write_text(text)
    found = modelwright("check", "-f", str(path))
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_commands_about_keys_work_as_written(quickstart_site: Site) -> None:
    for command in _commands("keys.md"):
        words = shlex.split(command)
        if words[0] == "modelwright":
            found = subprocess.run(
                [*program(), *words[1:]],
                capture_output=True,
                text=True,
                cwd=quickstart_site.manifest.parent,
                check=False,
            )
            assert found.returncode == 0, f"{command}: {found.stderr}"
    kept = modelwright("keys", "list", "--json", "-f", str(quickstart_site.manifest)).stdout
    assert '"ops"' in kept
    assert '"ci"' in kept


def test_the_programs_about_v2_clients_work_as_written(tmp_path: Path) -> None:
    page = ROOT / "docs" / "guide" / "v2-clients.md"
    path = quickstart(tmp_path)
    path.write_text("schema: 1\nname: example\n" + _blocks(page, "yaml")[0].replace(":8081", ":0"))
    with running(path) as site:
        patient(lambda: site.call("GET", "/v2/health/ready").status == 200, waiting_for="the gateway's workers")
        written = "\n".join(_blocks(page, "python"))
        written = written.replace("localhost:8000", f"localhost:{site.port}")
        written = written.replace("localhost:8081", site.watch().grpc)
        command = [sys.executable, "-c", written]
        env = {**os.environ, "KEY": site.key}
        found = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
        assert found.returncode == 0, found.stderr
        assert "['0', '1', '2']" in found.stdout


def test_the_commands_about_the_registry_work_as_written(tmp_path: Path) -> None:
    folder = quickstart(tmp_path).parent
    for command in _commands("registry.md"):
        words = [*program(), *shlex.split(command.replace("/tmp/", f"{tmp_path}/"))[1:]]
        found = subprocess.run(words, capture_output=True, text=True, cwd=folder, check=False)
        assert found.returncode == 0, f"{command}: {found.stderr}"
    assert (tmp_path / "digits-v2.onnx").read_bytes() == (folder / "models" / "digits.onnx").read_bytes()


def test_the_commands_about_measuring_work_as_written_but_shorter(quickstart_site: Site, tmp_path: Path) -> None:
    (tmp_path / "modelwright.yaml").symlink_to(quickstart_site.manifest)
    (tmp_path / ".modelwright").symlink_to(quickstart_site.state)
    for command in _commands("measure.md"):
        words = [*program(), *shlex.split(command)[1:], "--seconds", "0.2"]
        found = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60)
        assert found.returncode == 0, f"{command}: {found.stderr}"
    assert (tmp_path / "chat.svg").read_text().startswith("<svg")


def test_the_commands_about_secrets_work_as_written(tmp_path: Path) -> None:
    (tmp_path / "modelwright.yaml").write_text(_blocks(ROOT / "docs" / "guide" / "secrets.md", "yaml")[0])
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OPENAI_API_KEY": "sk-canary"}
    printed = ""
    for command in _commands("secrets.md"):
        found = subprocess.run(
            ["/bin/sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False, env=env
        )
        assert found.returncode == 0, f"{command}: {found.stderr}"
        printed += found.stdout + found.stderr
        env = {name: value for name, value in env.items() if "set" not in command or name == "PATH"}
    assert "OPENAI_API_KEY: store team\n" in printed
    assert "sk-canary" not in printed


def test_the_commands_about_pipelines_work_as_written(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "modelwright.yaml").write_text(_blocks(ROOT / "docs" / "guide" / "ci.md", "yaml")[0])
    for command in _commands("ci.md"):
        words = [*program(), *shlex.split(command)[1:]]
        found = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert found.returncode == 0, f"{command}: {found.stderr}"
    for name in (".github/workflows/modelwright.yml", ".gitlab-ci.yml", "Jenkinsfile"):
        assert "modelwright deploy --env production" in (tmp_path / name).read_text()


def test_the_commands_about_the_edge_work_as_written(tmp_path: Path) -> None:
    (tmp_path / "modelwright.yaml").write_text(_blocks(ROOT / "docs" / "guide" / "edge.md", "yaml")[0])
    for project in ("backend", "frontend"):
        (tmp_path / project).mkdir()
        (tmp_path / project / "README.md").write_text("A project of the user's.\n")
    for command in _commands("edge.md"):
        words = [*program(), *shlex.split(command.partition(" > ")[0])[1:]]
        found = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert found.returncode == 0, f"{command}: {found.stderr}"
    assert {path.name for path in (tmp_path / "edge").iterdir()} == {
        "haproxy.cfg",
        "modelwright.conf",
        "modelwright.yaml",
    }


def test_the_commands_about_backups_work_as_written(tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    for folder in (site, empty):
        folder.mkdir()
    (site / "modelwright.yaml").write_text(
        "schema: 1\nname: shop\nproviders: {dev: {kind: vllm, base_url: 'http://127.0.0.1:9'}}\n"
        "endpoints: {chat: {variants: {only: {provider: dev, model: one}}}}\n"
    )
    assert modelwright("keys", "create", "ops", "-f", str(site / "modelwright.yaml")).returncode == 0
    for command in _commands("backup.md"):
        words = [*program(), *shlex.split(command)[1:]]
        if words[1] == "restore":
            (words[2],) = map(str, (site / "backups").iterdir())
            words = [*words, "--key", str(site / "backup.key")]
        found = subprocess.run(
            words, capture_output=True, text=True, cwd=empty if words[1] == "restore" else site, check=False
        )
        assert found.returncode == 0, f"{command}: {found.stderr}"
    assert (empty / ".modelwright" / "pepper").read_bytes() == (site / ".modelwright" / "pepper").read_bytes()


def test_the_guide_to_embeddings_works_as_written(tmp_path: Path) -> None:
    shutil.copytree(EMBEDDINGS, tmp_path / "site", ignore=shutil.ignore_patterns(".modelwright"))
    with running(tmp_path / "site" / "modelwright.yaml") as site:

        def answered() -> bool:
            return site.call("POST", "/v1/embeddings", b'{"model": "sentences", "input": "a"}').status == 200

        patient(answered, waiting_for="the gateway to see its workers")
        assert _program(site, "embeddings.md") == "2 32 15\n"
        (reply,) = _in_a_shell(site, "embeddings.md")
        assert json.loads(reply)["outputs"][0]["shape"] == [1, 32]


def test_the_program_in_the_guide_to_tuning_works_as_written(quickstart_site: Site) -> None:
    assert _program(quickstart_site, "tune.md") == "(1, 10)\n"


def test_the_commands_of_the_guide_to_models_work_as_written(quickstart_site: Site) -> None:
    told, seven, written, black = map(_json, _in_a_shell(quickstart_site, "serve-a-model.md"))
    assert told["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}]
    assert seven["outputs"][0] == {"name": "label", "datatype": "INT64", "shape": [1], "data": [7]}
    assert written is None
    assert (type(black["label"]), len(black["probabilities"])) == (int, 10)


def test_the_guide_to_language_models_works_as_written(quickstart_site: Site) -> None:
    stream, choice = _in_a_shell(quickstart_site, "llm.md")
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events) == "3 plus 4 is 7."
    assert json.loads(choice)["choices"][0]["message"]["content"] in {"A", "B"}
    assert re.fullmatch(r"\['[0-9]+', '[0-9]+'\]\n", _program(quickstart_site, "llm.md"))


def _program(site: Site, page: str) -> str:
    """What the page's Python says when it is run."""
    (code,) = _blocks(ROOT / "docs" / "guide" / page, "python")
    told = code.replace("127.0.0.1:8000", f"127.0.0.1:{site.port}")
    env = {**os.environ, "KEY": site.key}
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False, env=env)
    assert (found.returncode, found.stderr) == (0, "")
    return found.stdout


def _in_a_shell(site: Site, page: str) -> list[str]:
    """What each of the page's commands says, in the manifest's folder."""
    env = {**os.environ, "KEY": site.key}
    said: list[str] = []
    for command in _commands(page):
        local = ["/bin/sh", "-c", command.replace("127.0.0.1:8000", f"127.0.0.1:{site.port}")]
        folder = site.manifest.parent
        found = subprocess.run(local, capture_output=True, text=True, check=False, env=env, cwd=folder)
        assert found.returncode == 0, f"{command}: {found.stderr}"
        said.append(found.stdout)
    return said


def _json(text: str) -> Any:
    return json.loads(text) if text else None


def test_the_ledger_command_of_the_operators_guide_works(quickstart_site: Site) -> None:
    quickstart_site.call("POST", "/v2/models/digits/infer", (QUICKSTART / "seven.json").read_bytes())
    command = next(command for command in _commands("operate.md") if "control.sock" in command)
    found = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, cwd=quickstart_site.manifest.parent, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("[")
