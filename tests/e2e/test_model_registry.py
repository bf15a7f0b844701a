"""The registry of models around a real `modelwright up`: pushed, served by alias, damaged, away, removed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import pytest

from modelwright.adapters.blobs.local import LocalBlobs
from modelwright.app.artifacts.digests import digest_of
from modelwright.app.models.office import ModelOffice
from modelwright.app.models.push import Told
from modelwright.app.models.verbs import ModelVerbs
from modelwright.core.errors.registry import VersionInUse
from tests.e2e.clients import Hammer, patient
from tests.e2e.running import QUICKSTART, Site, modelwright, program, running
from tests.making.certificates import make_certificates
from tests.making.file_server import FileServer
from tests.making.onnx_models import double
from tests.making.s3_server import REGION, S3Server

pytestmark = pytest.mark.e2e
SEVEN = (QUICKSTART / "seven.json").read_bytes()
PLAIN = "schema: 1\nname: models\nmodels: {own: {source: ./digits.onnx}}\n"


def models(folder: Path, *words: str, status: int = 0, env: dict[str, str] | None = None) -> Any:
    """`modelwright models …` as facts, or what it says on its refusal."""
    done = modelwright(
        "models", *words, "-f", str(folder / "modelwright.yaml"), "--json", env={**os.environ, **(env or {})}
    )
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout) if status == 0 else done.stderr


def filled(folder: Path, text: str = PLAIN) -> Path:
    shutil.copy2(QUICKSTART / "models" / "digits.onnx", folder / "digits.onnx")
    (folder / "modelwright.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three models, from the registry by alias, over https and from S3, whose files are also the registry's store."""
    folder = filled(tmp_path_factory.mktemp("registry"))
    (folder / "certificates").mkdir()
    certificates = make_certificates(folder / "certificates")
    digest = digest_of(folder / "digits.onnx")
    with FileServer(certificates) as files, S3Server() as s3:
        files.files["/digits.onnx"] = (folder / "digits.onnx").read_bytes()
        s3.hold("elsewhere/digits.onnx", files.files["/digits.onnx"] + b"")
        s3.hold("double.onnx", double(folder / "double.onnx").read_bytes())
        text = f"""\
schema: 1
name: models
models:
  digits: {{source: "registry:digits@champion", check: ./seven.json}}
  far: {{source: "{files.url}/digits.onnx", digest: "{digest}"}}
  object: {{source: "s3://models/double.onnx"}}
store:
  artifacts: {{at: "s3://models/kept", region: {REGION}, endpoint: "{s3.url}", allow: [127.0.0.0/8, "::1/128"]}}
"""
        (folder / "modelwright.yaml").write_text(text)
        (folder / "seven.json").write_bytes(SEVEN)
        env = {**s3.env, "MODELWRIGHT_CA_BUNDLE": str(certificates / "authority.pem")}
        pushed = models(folder, "push", "digits", "v1", str(folder / "digits.onnx"), "--why", "first", env=env)
        assert pushed["model"]["digest"] == digest
        models(folder, "alias", "digits", "champion", "v1", "--why", "the only one", env=env)
        with running(text, folder=folder, env=env) as found:
            yield found


def test_models_are_served_from_wherever_they_are(site: Site) -> None:
    digest = digest_of(site.manifest.parent / "digits.onnx")
    for name in ("digits", "far"):
        answer = site.call("POST", f"/v2/models/{name}/infer", SEVEN)
        assert answer.status == 200
        assert next(each["data"] for each in answer.json()["outputs"] if each["name"] == "label") == [7]
        assert site.call("GET", f"/v2/models/{name}").json()["parameters"]["digest"] == digest
    assert site.call("GET", "/v2/models/object").json()["inputs"][0]["name"] == "x"
    told = "".join(site.lines)
    for line in ("fetching digits@v1 from s3://models/kept", "fetching s3://models/double.onnx"):
        assert line in told
    (release,) = (site.state / "releases").iterdir()
    found = json.loads(release.read_bytes())["models"]
    assert (found["digits"], found["far"]) == (digest, digest)


def test_no_worker_is_handed_what_opens_the_store(site: Site) -> None:
    for part in site.watch().parts:
        assert b"AWS_SECRET_ACCESS_KEY" not in Path(f"/proc/{part.pid}/environ").read_bytes(), part.name


def test_what_serves_is_not_removed(site: Site) -> None:
    folder = site.manifest.parent
    hostile = ("--licence", "\x1b[31mMIT", "--tag", "a\x9b=b\nc", "--recipe", "x" * 60_000)
    models(
        folder, "push", "digits", "v2", str(folder / "double.onnx"), "--why", "other", *hostile, env=secrets_of(site)
    )
    told = modelwright("models", "show", "digits", "v2", "-f", str(site.manifest)).stdout
    assert "licence: \\x1b[31mMIT\n  tags: a\\x9b=b\\nc\n" in told
    assert "characters more" in told
    assert len(told) < 2000
    assert "has no version and no alias 'a/b'" in models(folder, "show", "digits", "a/b", status=1)
    models(folder, "alias", "digits", "next", "v2", "--expect", "", "--why", "try it")
    told = modelwright("models", "diff", "digits", "v1", "next", "-f", str(site.manifest)).stdout
    assert told.splitlines()[0].split() == ["v1", "v2", "change"]
    assert "files.double.onnx" in told
    assert "{" not in told
    assert "the alias next" in models(folder, "remove", "digits", "v2", "--why", "x", status=1, env=secrets_of(site))
    refused = models(folder, "remove", "digits", "v1", "--why", "x", status=1, env=secrets_of(site))
    assert "held by the alias champion, the model digits, which is served, the model far, which is served" in refused
    acts = [(entry["act"], entry["name"]) for entry in models(folder, "history", "digits")]
    assert acts == [("version", "v1"), ("alias", "champion"), ("version", "v2"), ("alias", "next")]
    assert site.call("POST", "/v2/models/digits/infer", SEVEN).status == 200


def test_a_moved_alias_is_followed_under_load_and_one_that_cannot_serve_is_not(site: Site) -> None:
    folder = site.manifest.parent
    first = digest_of(folder / "digits.onnx")
    models(folder, "push", "digits", "worse", str(folder / "double.onnx"), "--why", "no digits", env=secrets_of(site))
    models(folder, "alias", "digits", "champion", "worse", "--expect", "v1", "--why", "it cannot answer the check")
    patient(lambda: any("was not applied, the site runs as before: digits:" in line for line in site.lines))
    assert site.call("GET", "/v2/models/digits").json()["parameters"]["digest"] == first
    better = onnx.load(folder / "digits.onnx")
    better.doc_string = "the same, in other bytes"
    onnx.save(better, folder / "better.onnx")
    models(folder, "push", "digits", "better", str(folder / "better.onnx"), "--why", "better", env=secrets_of(site))
    key = f"Bearer {site.key}"
    with Hammer(site.port, "/v2/models/digits/infer", connections=4, body=SEVEN, authorization=key) as hammer:
        models(folder, "alias", "digits", "champion", "better", "--why", "it can")
        second = digest_of(folder / "better.onnx")
        patient(lambda: site.call("GET", "/v2/models/digits").json()["parameters"]["digest"] == second)
        hammer.wait_for(hammer.answered + 100)
    assert not hammer.lost
    assert second != first


MOVED = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    place = "kind = 'model' and line = 'digits'"
    (number,) = database.execute(f"select count(*) from registry_history where {place}").fetchone()
    row = ("model", "digits", number, "alias", "champion", "v1", "better", "somebody", "from elsewhere", 1.0)
    database.execute(f"insert into registry_history values ({','.join('?' * len(row))})", row)
"""


def test_an_alias_that_was_moved_elsewhere_is_followed_too(site: Site) -> None:
    """In the database itself, by a process that none of ours hears of, as a control on another host is."""
    first = digest_of(site.manifest.parent / "digits.onnx")
    assert site.call("GET", "/v2/models/digits").json()["parameters"]["digest"] != first
    subprocess.run([sys.executable, "-c", MOVED, str(site.state / "modelwright.db")], check=True)
    patient(lambda: site.call("GET", "/v2/models/digits").json()["parameters"]["digest"] == first)
    assert models(site.manifest.parent, "history", "digits")[-1]["who"] == "somebody"


def secrets_of(site: Site) -> dict[str, str]:
    """The variables that the site was started with."""
    pairs = (pair.partition("=") for pair in Path(f"/proc/{site.pid}/environ").read_text().split("\0"))
    return {name: value for name, _, value in pairs if name.startswith("AWS_")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The registry's files and the https server are gone; what was brought here before is in the cache."""
    folder = filled(tmp_path_factory.mktemp("alone"))
    (folder / "certificates").mkdir()
    certificates = make_certificates(folder / "certificates")
    digest = digest_of(folder / "digits.onnx")
    env = {"MODELWRIGHT_CA_BUNDLE": str(certificates / "authority.pem")}
    models(folder, "push", "digits", "v1", str(folder / "digits.onnx"), "--why", "first")
    with FileServer(certificates) as files:
        files.files["/digits.onnx"] = (folder / "digits.onnx").read_bytes()
        text = (
            "schema: 1\nname: models\nmodels:\n"
            f'  far: {{source: "{files.url}/digits.onnx", digest: "{digest}"}}\n'
            '  kept: {source: "registry:digits@v1"}\n'
            'store: {artifacts: {allow: [127.0.0.0/8, "::1/128"]}}\n'
        )
        with running(text, folder=folder, env=env) as site:
            assert site.call("POST", "/v2/models/far/infer", SEVEN).status == 200
    shutil.rmtree(folder / ".modelwright" / "artifacts" / "blobs")
    with running(text, folder=folder, env=env) as site:
        yield site


def test_a_start_needs_no_source_that_is_in_the_cache(alone: Site) -> None:
    for name in ("far", "kept"):
        assert alone.call("POST", f"/v2/models/{name}/infer", SEVEN).status == 200


def test_a_damaged_file_is_not_served(alone: Site) -> None:
    """Last of this site's: the process that has loaded the file before goes on, the one started anew does not."""
    (cached,) = (alone.state / "artifacts" / "cache").glob("*/digits.onnx")
    cached.chmod(0o644)
    content = bytearray(cached.read_bytes())
    content[-1] ^= 1
    cached.write_bytes(content)
    os.kill(alone.part("serving-kept-0").pid, signal.SIGKILL)
    broken = alone.wait_for("serving-kept-0", "broken")
    assert "was damaged since it was fetched: it has the digest" in broken.detail
    assert "start it again: it is fetched anew" in broken.detail
    assert alone.call("POST", "/v2/models/far/infer", SEVEN).status == 200


def test_a_push_that_is_killed_registers_nothing(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    told = modelwright("models", "list", "-f", str(folder / "modelwright.yaml")).stdout
    assert told == "No model is registered yet; `modelwright models push` does it.\n"
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(1 << 20) * 24)
    words = ["models", "push", "big", "v1", str(big), "--why", "new", "-f", str(folder / "modelwright.yaml")]
    kept = tmp_path / ".modelwright" / "artifacts" / "blobs"
    with subprocess.Popen([*program(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        patient(lambda: any(path.is_file() for path in kept.rglob("*")), waiting_for="the push to begin")
        child.kill()
    for line in models(folder, "list"):  # it may have come to its end before it was killed
        assert list(line["versions"]) == ["v1"]
        models(folder, "pull", "big", "v1", "--to", str(tmp_path / "pulled-before"))
    assert modelwright(*words).returncode == 0
    models(folder, "pull", "big", "v1", "--to", str(tmp_path / "pulled"))
    assert digest_of(tmp_path / "pulled") == digest_of(big)


WAITING = """
from pathlib import Path
import time

class Word:
    def load(self, path):
        self.word = (Path(path) / "word").read_text()
        while self.word == "two" and not Path({gate!r}).exists():
            time.sleep(0.02)

    def predict(self) -> str:
        return self.word
"""


def test_a_version_that_is_just_being_loaded_is_not_removed(tmp_path: Path) -> None:
    text = 'schema: 1\nname: m\nmodels: {word: {source: "registry:word@live", engine: {kind: "python:word:Word"}}}\n'
    (tmp_path / "modelwright.yaml").write_text(text)
    state, gate = tmp_path / ".modelwright", tmp_path / "gate"
    office = ModelOffice(state, manifest=tmp_path / "modelwright.yaml", environment="development", who="me")
    verbs = ModelVerbs(office, LocalBlobs(state / "artifacts" / "blobs"), say=lambda _: None)
    for word in ("one", "two", "three"):
        (tmp_path / word).mkdir()
        (tmp_path / word / "word").write_text(word)
        (tmp_path / word / "word.py").write_text(WAITING.format(gate=str(gate)))
        verbs.push("word", word, tmp_path / word, told=Told(), why="new")

    def move(to: str) -> None:
        office.alias("word", "live", version=to, expect=None, why="another one")

    def is_removed(version: str) -> bool:
        try:
            verbs.remove("word", version, why="not wanted")
        except VersionInUse:
            return False
        return True

    move("one")
    with running(text, folder=tmp_path) as site:
        move("two")
        patient(lambda: any(part.state == "starting" for part in site.watch().parts), waiting_for="the second to load")
        move("three")
        with pytest.raises(VersionInUse, match="word@two is held by a process of this host, which loads it or still"):
            verbs.remove("word", "two", why="not wanted")
        gate.touch()
        patient(lambda: site.call("POST", "/predict/word", b"{}").json() == "three")
        for old in ("one", "two"):
            patient(partial(is_removed, old), waiting_for=f"processes of {old} to end")
        with pytest.raises(VersionInUse, match="the alias live, the model word, which is served"):
            verbs.remove("word", "three", why="not wanted")
