from pathlib import Path

import pytest

from modelwright.app.exporting.pipelines import pipeline_of, rendered
from modelwright.app.exporting.programs import program
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ManifestError

MANIFEST = """\
schema: 1
name: support
providers: {openai: {kind: openai, keys: ["${secret:OPENAI_API_KEY}"]}}
endpoints: {assistant: {variants: {only: {provider: openai, model: gpt-4o-mini}}}}
apps:
  api: {build: ../backend, port: 8080, env: {TOKEN: "${secret:API_TOKEN}"}}
  bought: {image: "registry.example.com/bought:1", port: 8081}
targets:
  here: {kind: docker}
  there: {kind: docker, host: "ssh://deploy@host.example.com"}
store: {database: "${secret:DATABASE_URL}"}
build: {registry: registry.example.com/team}
environments:
  development: {store: null}
  test: {target: here}
  production: {target: there}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "uv.lock").touch()
    path = tmp_path / "deploy" / "modelwright.yaml"
    path.parent.mkdir()
    path.write_text(MANIFEST, "utf-8")
    return path


def test_a_manifest_becomes_a_pipeline_without_a_secret_at_hand(manifest: Path) -> None:
    pipeline = pipeline_of(manifest)
    assert (pipeline.project, pipeline.manifest) == ("support", "deploy/modelwright.yaml")
    assert pipeline.registry == "registry.example.com/team"
    assert [(one.name, one.folder, one.kind) for one in pipeline.programs] == [("api", "backend", "uv")]
    names = ("API_TOKEN", "DATABASE_URL", "OPENAI_API_KEY")
    assert [(one.name, one.secrets, one.ssh) for one in pipeline.stages] == [
        ("test", names, False),
        ("production", names, True),
    ]


def test_an_environment_without_a_target_is_not_deployed_to(manifest: Path) -> None:
    manifest.write_text(MANIFEST.replace("test: {target: here}", "test: {}"), "utf-8")
    assert [one.name for one in pipeline_of(manifest).stages] == ["production"]
    file, text = rendered(manifest, server="gitlab")
    assert file == ".gitlab-ci.yml"
    assert "deploy-test" not in text


def test_a_manifest_with_faults_is_not_rendered(manifest: Path) -> None:
    manifest.write_text(MANIFEST.replace("port: 8080", "prot: 8080"), "utf-8")
    with pytest.raises(ManifestError):
        rendered(manifest, server="github")


def test_a_program_outside_of_the_repository_is_refused(manifest: Path) -> None:
    (manifest.parents[1] / ".git").rmdir()
    (manifest.parent / ".git").mkdir()
    with pytest.raises(StartError, match="outside of the repository"):
        rendered(manifest, server="github")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"uv.lock": "", "pyproject.toml": '[project]\nrequires-python = ">=3.12,<4"'}, ("uv", "3.12")),
        ({"poetry.lock": "", "pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"'}, ("poetry", "3.11")),
        ({"requirements.txt": "", ".python-version": "3.12.4\n"}, ("pip", "3.12")),
        ({"pyproject.toml": '[project]\nname = "a"'}, ("pip", "3.13")),
        ({"package.json": '{"engines": {"node": ">=20.1"}}'}, ("npm", "20")),
        ({"package.json": "{broken"}, ("npm", "22")),
        ({"Dockerfile": "FROM scratch"}, ("other", "")),
    ],
)
def test_a_project_is_known_by_its_files(files: dict[str, str], expected: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    found = program("api", folder, root=tmp_path)
    assert (found.kind, found.runtime) == expected
    assert found.folder == "app"


def test_types_are_checked_by_what_the_project_is_set_up_for(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n[tool.mypy]\nstrict = true\n")
    found = program("api", tmp_path, root=tmp_path)
    assert (found.types, found.folder, found.listed) == ("mypy", ".", False)
