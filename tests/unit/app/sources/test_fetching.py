"""Sources that lie elsewhere: brought here whole and right, or not at all."""

import hashlib
import os
import stat
from pathlib import Path

import msgspec
import pytest

from modelwright.adapters.blobs.local import LocalBlobs
from modelwright.adapters.stores.memory_registry import MemoryRegistryStore
from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.models.desk import ModelDesk
from modelwright.app.models.push import Told, pack, send
from modelwright.app.models.types import ModelShown, ModelWish
from modelwright.app.parts import ModelPart
from modelwright.app.sources.cache import cache_of, suspect
from modelwright.app.wiring.serving import SEALED, check_file
from modelwright.core.contracts.model import ModelVersion
from modelwright.core.errors.artifacts import ArtifactDamaged, ArtifactError, ArtifactMissing, SourceUnavailable
from modelwright.core.errors.registry import NotRegistered
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.clock import ManualClock
from tests.making.file_server import FileServer
from tests.making.s3_server import REGION, S3Server
from tests.unit.app.sources.fetching import CONTENT, DIGEST, OTHER, Make


def test_a_file_is_fetched_once_and_is_there_while_its_source_is_away(
    make: Make, server: FileServer, said: list[str]
) -> None:
    server.files["/models/digits.onnx"] = CONTENT
    source = f"{server.url}/models/digits.onnx?token=secret"
    found = make().locate(source, DIGEST)
    path = Path(found.path)
    assert (path.name, path.read_bytes(), found.digest, found.promised) == ("digits.onnx", CONTENT, DIGEST, True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert said == [f"fetching {server.url}/models/digits.onnx: 3.0 MiB"], "and nothing of a token"
    server.status = 500
    assert make().locate(source, DIGEST).path == found.path
    assert len(server.asked) == 1


def test_what_breaks_off_is_continued(make: Make, server: FileServer) -> None:
    server.files["/m"] = CONTENT
    server.break_after = 1 << 20
    assert Path(make().locate(f"{server.url}/m", DIGEST).path).read_bytes() == CONTENT
    assert [span for _, span in server.asked] == ["", f"bytes={1 << 20}-", f"bytes={2 << 20}-"]


def test_the_next_start_goes_on_where_this_one_was_cut_off(make: Make, server: FileServer) -> None:
    server.files["/m"] = CONTENT
    server.break_after = 600_000
    with pytest.raises(SourceUnavailable, match=f"{server.url}/m: "):
        make().locate(f"{server.url}/m", DIGEST)
    server.break_after = -1
    server.asked.clear()
    assert Path(make().locate(f"{server.url}/m", DIGEST).path).read_bytes() == CONTENT
    assert server.asked == [("/m", "bytes=2400000-")]


def test_a_server_that_begins_anew_is_as_good(make: Make, server: FileServer) -> None:
    server.files["/m"] = CONTENT
    server.break_after, server.takes_ranges = 600_000, False
    with pytest.raises(SourceUnavailable):
        make().locate(f"{server.url}/m", DIGEST)
    server.break_after = -1
    assert Path(make().locate(f"{server.url}/m", DIGEST).path).read_bytes() == CONTENT


def test_other_content_is_refused_and_not_kept(make: Make, server: FileServer, tmp_path: Path) -> None:
    server.files["/m"] = b"other"
    with pytest.raises(ArtifactDamaged, match=f"/m: its content has the digest {OTHER}, not {DIGEST}"):
        make().locate(f"{server.url}/m", DIGEST)
    server.files["/m"] = CONTENT
    assert Path(make().locate(f"{server.url}/m", DIGEST).path).read_bytes() == CONTENT
    assert not list((tmp_path / "state/artifacts/cache/incoming").iterdir())


def test_a_part_of_what_the_source_was_before_is_no_harm(make: Make, server: FileServer) -> None:
    server.files["/m"] = bytes(3 << 20)
    server.break_after = 600_000
    with pytest.raises(SourceUnavailable):
        make().locate(f"{server.url}/m", DIGEST)
    server.break_after, server.files["/m"] = -1, CONTENT
    assert Path(make().locate(f"{server.url}/m", DIGEST).path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "kind"), [(404, ArtifactMissing), (403, SourceUnavailable), (503, SourceUnavailable)]
)
def test_a_refusal_is_told(make: Make, server: FileServer, status: int, kind: type[ArtifactError]) -> None:
    server.status = status
    with pytest.raises(kind, match=f"it answered {status}"):
        make().locate(f"{server.url}/m", DIGEST)


def test_redirects_are_followed_and_each_is_looked_at(make: Make, server: FileServer) -> None:
    server.files["/m"] = CONTENT
    server.redirects |= {"/a": "/b", "/b": f"{server.url}/m", "/round": "/round", "/plain": "http://localhost/m"}
    assert Path(make().locate(f"{server.url}/a", DIGEST).path).read_bytes() == CONTENT
    with pytest.raises(ArtifactError, match="more than 5 redirects"):
        make().locate(f"{server.url}/round", OTHER)
    with pytest.raises(ArtifactError, match="it leads to http://localhost/m, which is not https"):
        make().locate(f"{server.url}/plain", OTHER)
    server.redirects["/inside"] = "https://10.255.255.1:9/m"
    with pytest.raises(SourceUnavailable, match=r"is in no public network .see store\.artifacts\.allow"):
        make().locate(f"{server.url}/inside", OTHER)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]"]
)
def test_private_addresses_are_not_asked(make: Make, host: str) -> None:
    with pytest.raises(SourceUnavailable, match="is in no public network"):
        make(allow=[]).locate(f"https://{host}:9/m", DIGEST)


def test_what_cannot_fit_is_not_begun(make: Make, server: FileServer, tmp_path: Path) -> None:
    server.files["/m"] = CONTENT
    with pytest.raises(ArtifactError, match=r"/m: it takes 3\.0 MiB, and the cache holds at most 2\.0 MiB"):
        make(cache="2MiB").locate(f"{server.url}/m", DIGEST)
    assert not list(tmp_path.rglob("m"))


def test_what_was_used_longest_ago_goes_and_what_serves_stays(make: Make, server: FileServer, tmp_path: Path) -> None:
    contents = [os.urandom(1 << 20) for _ in range(4)]
    digests = [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in contents]
    for number, content in enumerate(contents):
        server.files[f"/{number}"] = content

    def here() -> list[bool]:
        return [(tmp_path / "state/artifacts/cache" / digest[7:]).exists() for digest in digests]

    for number in range(3):
        make(cache="3MiB").locate(f"{server.url}/{number}", digests[number])
        os.utime(tmp_path / "state/artifacts/cache" / digests[number][7:], (number, number))
    assert here() == [True, True, True, False]
    serving = make(cache="3MiB")
    serving.locate(f"{server.url}/0", digests[0])
    serving.locate(f"{server.url}/3", digests[3])
    assert here() == [True, False, True, True]
    serving.locate(f"{server.url}/1", digests[1])
    assert here() == [True, True, False, True]
    with pytest.raises(ArtifactError, match=r"at most 3\.0 MiB, of which 3\.0 MiB are being served"):
        serving.locate(f"{server.url}/2", digests[2])
    serving.hold([digests[0], digests[1]])
    serving.locate(f"{server.url}/2", digests[2])
    assert here() == [True, True, True, False]


def test_what_was_damaged_here_is_not_loaded_and_fetched_anew(make: Make, server: FileServer, tmp_path: Path) -> None:
    server.files["/m"] = CONTENT
    found = make().locate(f"{server.url}/m", DIGEST)
    part = ModelPart(model="m", engine="x", wire="v2", path=found.path, digest=DIGEST, promised=True)
    state = str(tmp_path / "state")
    assert check_file(part, state=state) == SEALED
    for damaged in (CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), CONTENT[:100]):
        Path(found.path).chmod(0o644)
        Path(found.path).write_bytes(damaged)
        with pytest.raises(BadModelFile, match=r"model m: .* was damaged since .* .stop modelwright up and start it"):
            check_file(part, state=state)
        assert make().locate(f"{server.url}/m", DIGEST) == found
        assert check_file(part, state=state) == SEALED
    server.asked.clear()
    assert suspect(cache_of(tmp_path / "state"), DIGEST)
    assert make().locate(f"{server.url}/m", DIGEST) == found
    assert not server.asked, "it was right after all"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch):
    with S3Server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


def test_an_object_is_fetched_and_followed_when_it_changes(make: Make, s3: S3Server) -> None:
    section = {"region": REGION, "endpoint": s3.url}
    s3.hold("team/m.gguf", CONTENT)
    source = "s3://models/team/m.gguf"
    found = make(**section).locate(source)
    assert (Path(found.path).name, Path(found.path).read_bytes(), found.digest) == ("m.gguf", CONTENT, DIGEST)
    s3.asked.clear()
    assert make(**section).locate(source) == found
    assert [line.partition(" ")[0] for line in s3.asked] == ["HEAD"]
    s3.hold("team/m.gguf", b"other")
    assert make(**section).locate(source).digest == OTHER
    with pytest.raises(ArtifactDamaged, match=f"digest {OTHER}, not {'sha256:' + 64 * '0'}"):
        make(**section).locate(source, "sha256:" + 64 * "0")
    assert make(**section).locate(source, DIGEST).path == found.path, "it is still here"
    del s3.held["team/m.gguf"]
    with pytest.raises(ArtifactMissing):
        make(**section).locate(source)


def test_an_object_that_cannot_be_asked_for_is_served_as_it_was(make: Make, s3: S3Server, said: list[str]) -> None:
    section = {"region": REGION, "endpoint": s3.url}
    s3.hold("m", CONTENT)
    s3.break_after = 2 << 20
    found = make(**section).locate("s3://models/m")
    assert found.digest == DIGEST, "put together of two pieces"
    s3.failing = "SlowDown"
    said.clear()
    assert make(**section).locate("s3://models/m") == found
    assert "warning: s3://models/m cannot be asked, what it meant before is served: " in said[0]
    with pytest.raises(SourceUnavailable):
        make(**section).locate("s3://models/never")


@pytest.mark.parametrize("length", [3 << 20, 5], ids=["as long", "shorter"])
def test_an_object_that_changes_between_two_pieces_is_begun_anew(make: Make, s3: S3Server, length: int) -> None:
    new = CONTENT[:length]
    s3.hold("m", bytes(3 << 20))
    s3.break_after = 1 << 20

    def change() -> None:
        if any(line.startswith("GET") for line in s3.asked):
            s3.break_after = -1
            s3.hold("m", new)

    s3.answered = change
    found = make(region=REGION, endpoint=s3.url).locate("s3://models/m")
    assert Path(found.path).read_bytes() == new
    assert found.digest == f"sha256:{hashlib.sha256(new).hexdigest()}"


def test_an_object_s_key_leads_nowhere_else(make: Make, s3: S3Server, tmp_path: Path) -> None:
    for key in ("a/../../../../etc/passwd", "..", "a//..", "größe/\x9b.gguf"):
        s3.hold(key, CONTENT)
        found = make(region=REGION, endpoint=s3.url).locate(f"s3://models/{key}")
        assert Path(found.path).parent == tmp_path / "state/artifacts/cache" / DIGEST[7:]


def test_what_is_wrong_with_a_bucket_is_told(make: Make, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    section = {"region": REGION, "endpoint": s3.url}
    s3.hold("m", CONTENT)
    with pytest.raises(ArtifactMissing, match="s3://models/n: there is no such"):
        make(**section).locate("s3://models/n")
    with pytest.raises(ArtifactError, match="there is no bucket s3://elsewhere"):
        make(**section).locate("s3://elsewhere/m")
    with monkeypatch.context() as changed:
        changed.setenv("AWS_SECRET_ACCESS_KEY", "another" * 5)
        with pytest.raises(SourceUnavailable, match="does not take the credentials") as refused:
            make(**section).locate("s3://models/m")
        assert "another" not in str(refused.value)
    s3.region = "eu-west-1"
    with pytest.raises(ArtifactError, match=r"set store\.artifacts\.region to eu-west-1"):
        make(**section).locate("s3://models/m")


class Known:
    """A registry with files, as `up` meets it."""

    def __init__(self, folder: Path) -> None:
        self.blobs = LocalBlobs(folder / "state/artifacts/blobs")
        self.desk = ModelDesk(MemoryRegistryStore(), ManualClock(), held_by=nobody)
        self.shown: dict[tuple[str, str], ModelShown] = {}
        self.is_away = False

    async def push(self, version: str, path: Path) -> ModelVersion:
        parcel = pack(path, Told(), read=lambda *_: None)
        send(parcel, self.blobs, say=lambda _: None)
        document = parcel.document
        wish = ModelWish.model_validate({"document": msgspec.to_builtins(document), "why": "new"})
        shown = await self.desk.push("m", version, wish, who="me")
        self.shown["m", version] = self.shown["m", "live"] = shown
        return document

    def look_up(self, name: str, word: str) -> ModelShown:
        if self.is_away:
            raise StartError("the database does not answer", hint="wait")
        if (name, word) not in self.shown:
            raise NotRegistered(f"{name} has no {word}", hint="push it")
        return self.shown[name, word]


async def nobody(_: str) -> list[str]:
    return []


async def test_a_version_is_put_together_of_its_files(make: Make, tmp_path: Path, said: list[str]) -> None:
    known, folder = Known(tmp_path), tmp_path / "llm"
    (folder / "onnx").mkdir(parents=True)
    (folder / "onnx/model.onnx").write_bytes(CONTENT)
    (folder / "config.json").write_text("{}")
    document = await known.push("v1", folder)
    sources = make(known.look_up)
    found = sources.locate("registry:m@live")
    assert (found.version, found.digest, Path(found.path).name) == ("m@v1", document.digest, "llm")
    assert (Path(found.path) / "onnx/model.onnx").read_bytes() == CONTENT
    assert {path.relative_to(found.path).as_posix() for path in Path(found.path).rglob("*")} == {
        "config.json",
        "onnx",
        "onnx/model.onnx",
    }
    kept = known.blobs
    for blob in kept.held():
        kept.drop(blob.digest)
    known.is_away = True
    assert make(known.look_up).locate("registry:m@live") == found
    assert said[-1].startswith("warning: registry:m@live cannot be asked")
    with pytest.raises(StartError, match="the database does not answer"):
        make(known.look_up).locate("registry:m@v2")


async def test_a_run_keeps_to_a_version_until_it_looks_anew(make: Make, tmp_path: Path) -> None:
    known, file = Known(tmp_path), tmp_path / "m.onnx"
    file.write_bytes(b"one")
    await known.push("v1", file)
    sources = make(known.look_up)
    models = {"m": ModelSection(source="registry:m@live")}
    first = sources.of(models)["m"]
    file.write_bytes(b"two")
    await known.push("v2", file)
    assert sources.of(models)["m"] == first
    assert sources.anew(models)["m"].version == "m@v2"


async def test_what_the_registry_cannot_give_is_told(make: Make, tmp_path: Path) -> None:
    known, file = Known(tmp_path), tmp_path / "m.onnx"
    file.write_bytes(b"one")
    document = await known.push("v1", file)
    with pytest.raises(NotRegistered, match=r"^registry:m@v7: m has no v7 \(push it; `modelwright models list` shows"):
        make(known.look_up).locate("registry:m@v7")
    with pytest.raises(ArtifactDamaged, match=f"m@v1: its content has the digest {document.digest}, not {DIGEST}"):
        make(known.look_up).locate("registry:m@v1", DIGEST)
    blob = next(known.blobs._folder.glob("sha256/*/*"))
    blob.chmod(0o644)
    blob.write_bytes(b"bad")
    with pytest.raises(ArtifactDamaged, match="changed or damaged"):
        make(known.look_up).locate("registry:m@v1")
    known.blobs.drop(document.digest)
    with pytest.raises(ArtifactMissing, match="push the version again"):
        make(known.look_up).locate("registry:m@v1")
