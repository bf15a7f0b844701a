"""An encrypted file of secrets, changed by the command line."""

import threading
from pathlib import Path

import pytest

from modelwright.adapters.secrets import age
from modelwright.app.manifest.load import load_manifest
from modelwright.app.secret_stores.edit import Editor, make_identity
from modelwright.app.secret_stores.told import from_stores, told
from modelwright.app.settings.settings import Settings
from modelwright.core.errors.starting import StartError

TEAM = "  {name}: {{kind: age, source: ./{name}.age, identity: '${{file:./age.key}}'{more}}}\n"
PROVIDER = (
    "providers: {v: {kind: openai, keys: ['${secret:K}'], optional: true}}\n"
    "endpoints: {e: {variants: {a: {provider: v, model: m}}}}\n"
)


@pytest.fixture
def recipient(tmp_path: Path) -> str:
    return make_identity(tmp_path / "age.key")


def editor(folder: Path, *names: str, store: str = "", more: str = "") -> Editor:
    stores = "".join(TEAM.format(name=name, more=more) for name in names or ("team",))
    (folder / "modelwright.yaml").write_text(f"schema: 1\nname: test\nsecrets:\n{stores}{PROVIDER}")
    return Editor(load_manifest(folder / "modelwright.yaml", environment="development", env={}), store)


def test_secrets_are_kept_replaced_and_removed(tmp_path: Path, recipient: str) -> None:
    team = editor(tmp_path)
    assert team.names() == ()
    assert team.recipients == (recipient,)
    assert team.set("K", "sk-canary")
    assert not team.set("K", "sk-other\nline")
    assert team.set("A", "1")
    assert team.names() == ("A", "K")
    team.remove("A")
    held = age.AgeFile(team.path, identity=(tmp_path / "age.key").read_text()).all()
    assert held == {"K": "sk-other\nline"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["age.key", "modelwright.yaml", "team.age"]
    assert (tmp_path / "age.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "x"), ("../K", "x"), ("K", " \n"), ("K", "x" * 70_000), ("K", "caf\udce9")]
)
def test_what_is_no_secret_is_not_kept(tmp_path: Path, recipient: str, name: str, value: str) -> None:
    assert recipient
    with pytest.raises(StartError) as refused:
        editor(tmp_path).set(name, value)
    assert refused.value.hint
    assert not (tmp_path / "team.age").exists()


def test_a_secret_that_is_not_there_is_named_with_the_nearest(tmp_path: Path, recipient: str) -> None:
    assert recipient
    team = editor(tmp_path)
    team.set("VENDOR_KEY", "x")
    with pytest.raises(StartError, match="holds no VENDER_KEY") as refused:
        team.remove("VENDER_KEY")
    assert refused.value.hint == "did you mean VENDOR_KEY?"


def test_new_recipients_can_open_it_after_it_was_encrypted_anew(tmp_path: Path, recipient: str) -> None:
    other, public = age.new_identity()
    editor(tmp_path).set("K", "sk-canary")
    team = editor(tmp_path, more=f", recipients: [{recipient}, {public}]")
    with pytest.raises(age.pyrage.DecryptError):
        age.pyrage.decrypt(team.path.read_bytes(), age.identities(other))
    team.rekey()
    assert b"sk-canary" in age.pyrage.decrypt(team.path.read_bytes(), age.identities(other))


def test_several_at_once_lose_nothing(tmp_path: Path, recipient: str) -> None:
    assert recipient
    team = editor(tmp_path)
    threads = [threading.Thread(target=team.set, args=(f"K{number}", "x")) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(team.names()) == 12


def test_a_damaged_file_is_not_written_over(tmp_path: Path, recipient: str) -> None:
    assert recipient
    team = editor(tmp_path)
    team.set("K", "x")
    team.path.write_bytes(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    with pytest.raises(StartError, match="damaged"):
        team.set("A", "x")
    assert team.path.read_bytes() == b"-----BEGIN AGE ENCRYPTED FILE-----\n"


def test_the_store_is_chosen_by_name_where_there_are_several(tmp_path: Path, recipient: str) -> None:
    assert recipient
    with pytest.raises(StartError, match="several encrypted stores"):
        editor(tmp_path, "one", "two")
    assert editor(tmp_path, "one", "two", store="two").path.name == "two.age"
    with pytest.raises(StartError, match="no encrypted store 'three'"):
        editor(tmp_path, "one", "two", store="three")


def test_an_identity_is_never_overwritten(tmp_path: Path, recipient: str) -> None:
    assert recipient.startswith("age1")
    with pytest.raises(StartError, match="is there already"):
        make_identity(tmp_path / "age.key")


def test_where_secrets_come_from_is_told_without_a_run(tmp_path: Path, recipient: str) -> None:
    assert recipient
    team = editor(tmp_path)
    team.set("K", "sk-canary")
    team.set("OTHER", "sk-canary")
    found = told(load_manifest(tmp_path / "modelwright.yaml", environment="development", env={}))
    assert [(one.name, one.source, one.trouble) for one in found] == [
        ("K", "store team", ""),
        ("OTHER", "store team", "the manifest does not name it"),
    ]
    team.path.write_bytes(b"")
    (one,) = told(load_manifest(tmp_path / "modelwright.yaml", environment="development", env={}))
    assert "is damaged" in one.trouble


def test_a_command_beside_no_run_looks_into_stores_when_it_has_to(tmp_path: Path, recipient: str) -> None:
    assert recipient
    editor(tmp_path).set("K", "sk-canary")
    stores = from_stores(tmp_path / "modelwright.yaml", environment="development")
    settings = Settings(tmp_path, environment="development", env={"A": "mine"}, handed=stores)
    assert settings.resolve("${secret:A}") == "mine"
    assert settings.resolve("${secret:K}") == "sk-canary"
    (tmp_path / "team.age").unlink()
    assert settings.resolve("${secret:K}") == "sk-canary", "asked once"
    stores = from_stores(tmp_path / "modelwright.yaml", environment="development")
    settings = Settings(tmp_path, environment="development", env={}, handed=stores)
    with pytest.raises(StartError, match="the secret K is not set"):
        settings.resolve("${secret:K}")
