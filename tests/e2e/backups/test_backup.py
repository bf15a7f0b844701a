"""A site's state kept while it runs, and put back elsewhere: the same keys, the same ledger, the same answers."""

import json
import os
import re
import shlex
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import patient
from tests.e2e.gateway_site import CHAT, QUESTION, DevProvider
from tests.e2e.running import Site, modelwright, program, running
from tests.making.postgres_server import PostgresServer

pytestmark = pytest.mark.e2e

MANIFEST = """\
schema: 1
name: shop
providers:
  dev: {{kind: vllm, base_url: "{url}"}}
endpoints:
  chat: {{variants: {{only: {{provider: dev, model: one}}}}}}
{store}
"""
PEPPER = "pepper-of-this-test-alone"


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider() as found:
        yield found


def _manifest(folder: Path, provider: DevProvider, store: str = "") -> Path:
    folder.mkdir()
    path = folder / "modelwright.yaml"
    path.write_text(MANIFEST.format(url=provider.base_url, store=store))
    return path


def _key(folder: Path, name: str = "backup.key") -> Path:
    made = modelwright("secrets", "identity", str(folder / name))
    assert made.returncode == 0, made.stderr
    return folder / name


def _backup(manifest: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    where = ("-f", str(manifest), "--to", str(manifest.parent / "backups"))
    return modelwright("backup", *where, *words, env={**os.environ, **variables})


def _restore(archive: Path, manifest: Path, key: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    words = ("restore", str(archive), "-f", str(manifest), "--key", str(key))
    return modelwright(*words, env={**os.environ, **variables})


def _one(manifest: Path) -> Path:
    (found,) = (manifest.parent / "backups").iterdir()
    return found


def _asked(site: Site, key: str) -> int:
    return site.call("POST", CHAT, json.dumps(QUESTION).encode(), headers={"Authorization": f"Bearer {key}"}).status


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, provider: DevProvider) -> tuple[Path, Path, str]:
    """(backup of a site that ran meanwhile, its key, an API key that was made before)."""
    folder = tmp_path_factory.mktemp("kept")
    manifest = _manifest(folder / "site", provider)
    key = _key(folder)
    with running(manifest) as site:
        made = modelwright("keys", "create", "ops", "--json", "-f", str(manifest))
        api_key = json.loads(made.stdout)["key"]
        patient(lambda: _asked(site, api_key) == 200, waiting_for="the gateway to know the key")
        for _ in range(5):
            assert _asked(site, api_key) == 200
        done = _backup(manifest, "--key", str(key))
        assert done.returncode == 0, done.stderr
    return _one(manifest), key, api_key


def test_a_site_goes_on_elsewhere_with_its_keys_and_its_ledger(archive: tuple[Path, Path, str], tmp_path: Path) -> None:
    file, key, api_key = archive
    manifest = tmp_path / "elsewhere" / "modelwright.yaml"
    done = _restore(file, manifest, key)
    assert done.returncode == 0, done.stderr
    assert manifest.read_text() == (file.parents[1] / "modelwright.yaml").read_text()
    with running(manifest) as site:
        assert _asked(site, api_key) == 200
        patient(lambda: _rows(site) >= 7, waiting_for="rows of before and of now in the ledger")
        again = _restore(file, manifest, key)
        assert again.returncode != 0
        assert "runs" in again.stderr
    refused = _restore(file, manifest, key)
    assert refused.returncode == 1
    assert "there is state already" in refused.stderr


def test_nothing_is_restored_over_artifacts_that_are_there(
    archive: tuple[Path, Path, str], tmp_path: Path, provider: DevProvider
) -> None:
    file, key, _ = archive
    manifest = _manifest(tmp_path / "site", provider, "store: {artifacts: {at: ./artifacts}}")
    kept = manifest.parent / "artifacts" / "kept"
    kept.parent.mkdir()
    kept.write_text("of before")
    refused = _restore(file, manifest, key)
    assert refused.returncode == 1
    assert "there are artifacts already" in refused.stderr
    assert kept.read_text() == "of before"
    assert not (manifest.parent / ".modelwright" / "modelwright.db").exists()


def _rows(site: Site) -> int:
    with sqlite3.connect(site.state / "modelwright.db") as database:
        return database.execute("SELECT count(*) FROM ledger").fetchone()[0]


def test_nothing_of_a_secret_can_be_read_in_it(archive: tuple[Path, Path, str]) -> None:
    file, _, _ = archive
    state = file.parents[1] / ".modelwright"
    assert file.stat().st_mode & 0o077 == 0
    content = file.read_bytes()
    for name in ("pepper", "salt"):
        assert (state / name).read_bytes().strip() not in content


def test_a_wrong_key_or_a_damaged_file_touches_nothing(archive: tuple[Path, Path, str], tmp_path: Path) -> None:
    file, key, _ = archive
    manifest = tmp_path / "modelwright.yaml"
    manifest.write_text("schema: 1\nname: mine\n")
    other = _key(tmp_path, "other.key")
    cut, changed = tmp_path / "cut", tmp_path / "changed"
    whole = file.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    changed.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    before = _tree(tmp_path)
    for one, with_key, problem in (
        (file, other, "is encrypted for another key"),
        (cut, key, "is damaged"),
        (changed, key, "is damaged"),
        (manifest, key, "is damaged"),
        (tmp_path / "nowhere", key, "is not there"),
    ):
        refused = _restore(one, manifest, with_key)
        assert refused.returncode == 1
        assert problem in refused.stderr
        assert "Traceback" not in refused.stderr
    assert _tree(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_disk_without_room_is_told_and_nothing_stays(archive: tuple[Path, Path, str], tmp_path: Path) -> None:
    file, key, _ = archive
    site = file.parents[1] / "modelwright.yaml"
    before = sorted(path.name for path in site.parent.iterdir())
    for words in (
        [*program(), "backup", "-f", str(site), "--key", str(key), "--to", str(tmp_path / "to")],
        [*program(), "restore", str(file), "-f", str(tmp_path / "new" / "modelwright.yaml"), "--key", str(key)],
    ):
        command = f"ulimit -f 16; exec {shlex.join(words)}"  # files of at most 16 blocks
        refused = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        assert re.search(r"room|whole", refused.stderr), refused.stderr
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == []
    assert sorted(path.name for path in site.parent.iterdir()) == before


def test_older_ones_are_removed_when_they_are_too_many(archive: tuple[Path, Path, str], tmp_path: Path) -> None:
    file, key, _ = archive
    site = file.parents[1] / "modelwright.yaml"
    recipient = re.findall(r"age1[a-z0-9]+", key.read_text())[0]
    names = ["shop-development-20200101T000000Z.backup.age", "shop-development-20210101T000000Z.backup.age"]
    others = ["shop-production-20200101T000000Z.backup.age", "shop-development-test-20200101T000000Z.backup.age"]
    for name in [*names, *others]:
        (tmp_path / name).touch()
    words = ("backup", "-f", str(site), "--to", str(tmp_path), "--recipient", recipient, "--keep", "2", "--json")
    told = json.loads(modelwright(*words).stdout)
    assert told["removed"] == [str(tmp_path / names[0])]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {names[1], *others, Path(told["file"]).name}


def test_a_backup_that_nobody_could_open_is_not_made(archive: tuple[Path, Path, str]) -> None:
    refused = _backup(archive[0].parents[1] / "modelwright.yaml")
    assert refused.returncode == 1
    assert "nobody is named who may open it" in refused.stderr


def test_state_in_postgresql_goes_into_another_database(
    tmp_path: Path, provider: DevProvider, postgres: PostgresServer
) -> None:
    manifest = _manifest(tmp_path / "site", provider, 'store: {database: "${secret:DATABASE_URL}"}')
    key = _key(tmp_path)
    here = {"DATABASE_URL": postgres.create("backed_up"), "MODELWRIGHT_PEPPER": PEPPER}
    there = {"DATABASE_URL": postgres.create("put_back"), "MODELWRIGHT_PEPPER": PEPPER}
    with running(manifest, env=here) as site:
        made = modelwright("keys", "create", "ops", "--json", "-f", str(manifest), env={**os.environ, **here})
        api_key = json.loads(made.stdout)["key"]
        patient(lambda: _asked(site, api_key) == 200, waiting_for="the gateway to know the key")
        done = _backup(manifest, "--key", str(key), **here)
        assert done.returncode == 0, done.stderr
    elsewhere = tmp_path / "elsewhere" / "modelwright.yaml"
    done = _restore(_one(manifest), elsewhere, key, **there)
    assert done.returncode == 0, done.stderr
    with running(elsewhere, env=there) as site:
        assert _asked(site, api_key) == 200
    second = _restore(_one(manifest), tmp_path / "third" / "modelwright.yaml", key, **there)
    assert second.returncode == 1
    assert "holds state already" in second.stderr
    assert not (tmp_path / "third" / "modelwright.yaml").exists()
