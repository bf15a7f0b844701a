"""Variables, `.env` files and secrets; what one environment may see of another's."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.settings.settings import Settings, chosen_environment, process_environment, read_env_file
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ManifestError


def settings(base: Path, environment: str = "development", env: dict[str, str] | None = None) -> Settings:
    return Settings(base, environment=environment, env=env or {}, run_secrets=base / "run-secrets")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    write(tmp_path / ".env", "A=all\nB=all\nC=all\n")
    write(tmp_path / ".env.development", "A=development\nB=development\n")
    found = settings(tmp_path, env={"A": "process"})
    assert [found.value(name) for name in "ABCD"] == ["process", "development", "all", None]


def test_an_empty_value_counts_as_missing(tmp_path: Path) -> None:
    write(tmp_path / ".env.development", "A=\nB='  '\n")
    write(tmp_path / ".env", "A=all\n")
    found = settings(tmp_path, env={"A": "", "B": " "})
    assert found.value("A") == "all"
    assert found.value("B") is None
    assert found.secret("B") is None


def test_secrets_come_from_variables_then_from_files(tmp_path: Path) -> None:
    write(tmp_path / ".modelwright/secrets/development/KEY", "own\n")
    assert settings(tmp_path).secret("KEY") == "own"
    write(tmp_path / "run-secrets/KEY", "mounted\r\n")
    assert settings(tmp_path).secret("KEY") == "mounted"
    write(tmp_path / ".env", "KEY=variable\n")
    assert settings(tmp_path).secret("KEY") == "variable"
    assert settings(tmp_path).value("OTHER") is None


def test_a_development_run_reads_nothing_of_production(tmp_path: Path) -> None:
    write(tmp_path / ".env.production", "A=production\n")
    write(tmp_path / ".modelwright/secrets/production/B", "production")
    found = settings(tmp_path)
    assert [found.secret("A"), found.secret("B")] == [None, None]
    assert settings(tmp_path, "production").secret("A") == "production"
    assert settings(tmp_path, "production").secret("B") == "production"


def test_a_bad_file_of_another_environment_is_not_even_opened(tmp_path: Path) -> None:
    write(tmp_path / ".env.production", "no assignment\n")
    assert settings(tmp_path).value("A") is None
    with pytest.raises(ManifestError):
        settings(tmp_path, "production")


def test_a_link_to_another_environment_s_secret_is_not_followed(tmp_path: Path) -> None:
    target = write(tmp_path / ".modelwright/secrets/production/KEY", "production")
    (tmp_path / ".modelwright/secrets/development").mkdir(parents=True)
    (tmp_path / ".modelwright/secrets/development/KEY").symlink_to(target)
    assert settings(tmp_path).secret("KEY") is None


@pytest.mark.parametrize("name", ["../production/KEY", "/etc/hostname", "..", ".", "", "A B", "KEY\0"])
def test_a_name_that_is_a_path_finds_no_secret(tmp_path: Path, name: str) -> None:
    write(tmp_path / ".modelwright/secrets/production/KEY", "production")
    write(tmp_path / ".modelwright/secrets/development/KEY", "development")
    assert settings(tmp_path).secret(name) is None


def test_whose_file_it_is(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.belongs_to_another(tmp_path / ".env.production") == "production"
    assert found.belongs_to_another(tmp_path / "x/../.modelwright/secrets/test/A") == "test"
    assert not found.belongs_to_another(tmp_path / ".env.development")
    assert not found.belongs_to_another(tmp_path / "models/a.onnx")


def test_resolving_names_what_to_set(tmp_path: Path) -> None:
    found = settings(tmp_path, env={"KEY": "sk-1"})
    assert found.resolve("Bearer ${secret:KEY}") == "Bearer sk-1"
    assert found.resolve("$${secret:KEY}") == "${secret:KEY}"
    assert found.resolve("plain") == "plain"
    with pytest.raises(StartError) as caught:
        found.resolve("${secret:MISSING}")
    assert caught.value.hint == "set MISSING"
    for text in ("${env:KEY}", "${secret:a b}", "${KEY}"):
        with pytest.raises(StartError):
            found.resolve(text)


def test_the_environment_is_the_flag_then_the_variable_then_development() -> None:
    assert chosen_environment(None, {}) == "development"
    assert chosen_environment(None, {"MODELWRIGHT_ENV": "test"}) == "test"
    assert chosen_environment("production", {"MODELWRIGHT_ENV": "test"}) == "production"
    with pytest.raises(StartError, match="MODELWRIGHT_ENV: there is no environment 'prod'"):
        chosen_environment(None, {"MODELWRIGHT_ENV": "prod"})
    with pytest.raises(StartError, match="--env"):
        chosen_environment("staging", {})
    with pytest.raises(StartError):
        Settings(Path(), environment="prod", env={})


def test_the_forms_of_an_env_file(tmp_path: Path) -> None:
    text = """\ufeff# comment
A=plain
export B = two words  # comment
C="double \\"quoted\\"\\n$HOME ${A} # no comment"   # comment
D='single \\n'
E=
F=a#b
  G  =  'x'
H=it's
"""
    assert read_env_file(write(tmp_path / ".env", text.replace("\n", "\r\n"))) == {
        "A": "plain",
        "B": "two words",
        "C": 'double "quoted"\n$HOME ${A} # no comment',
        "D": "single \\n",
        "E": "",
        "F": "a#b",
        "G": "x",
        "H": "it's",
    }
    assert read_env_file(tmp_path / "none") == {}


def test_all_bad_lines_of_an_env_file_are_named_without_their_content(tmp_path: Path) -> None:
    path = write(tmp_path / ".env", 'A=1\nsk-topsecret\n=x\nB=\'open\n1A=2\nC="x"y\n')
    with pytest.raises(ManifestError) as caught:
        read_env_file(path)
    assert [fault.line for fault in caught.value.faults] == [2, 3, 4, 5, 6]
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"A=\xff", b"A=\0", b"#" * ((1 << 20) + 1)])
def test_an_env_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(StartError, match=r"\.env"):
        settings(tmp_path)


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="'\u2028\u2029\x85"), max_size=30))
def test_a_single_quoted_value_is_itself(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = write(tmp_path_factory.mktemp("env") / ".env", f"A='{value}'\n")
    assert read_env_file(path) == {"A": value}


def test_the_process_environment_is_a_copy() -> None:
    before = process_environment()
    before["MODELWRIGHT_NEVER_SET"] = "1"
    assert "MODELWRIGHT_NEVER_SET" not in process_environment()
