"""Versions of models: packed, registered, compared, removed; their files by digest."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from modelwright.adapters.blobs.memory import MemoryBlobs
from modelwright.adapters.stores.memory_registry import MemoryRegistryStore
from modelwright.app.artifacts.digests import digest_of, digest_of_model
from modelwright.app.models.bring import bring
from modelwright.app.models.desk import ModelDesk
from modelwright.app.models.office import FRESH, ModelOffice, differing
from modelwright.app.models.push import Told, pack, send
from modelwright.app.models.signature import read_signature
from modelwright.app.models.types import ModelWish, RemoveWish
from modelwright.app.models.verbs import ModelVerbs
from modelwright.app.wishes import AliasWish
from modelwright.core.contracts.model import Lineage, ModelVersion
from modelwright.core.errors.artifacts import ArtifactDamaged, ArtifactError, ArtifactMissing
from modelwright.core.errors.registry import NotRegistered, RegistryError, VersionInUse
from modelwright.core.ports.clock import ManualClock
from tests.making.onnx_models import double

WHY = {"why": "it is better"}


def packed(path: Path, **told: object) -> ModelVersion:
    return pack(path, Told(**told), read=lambda *_: None).document  # type: ignore[arg-type]


def wish(document: ModelVersion) -> ModelWish:
    return ModelWish.model_validate({"document": msgspec.to_builtins(document), **WHY})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return double(tmp_path / "double.onnx")


@pytest.fixture
def desk() -> ModelDesk:
    async def held_by(digest: str) -> list[str]:
        return ["the model chat, which is served"] if digest.startswith("sha256:5e") else []

    return ModelDesk(MemoryRegistryStore(), ManualClock(), held_by=held_by)


def test_a_file_is_packed_with_all_that_is_known_of_it(file: Path) -> None:
    lineage = Lineage(recipe="int8", libraries={"onnx": "1.19"})
    told = Told(licence="MIT", metrics={"accuracy": 0.9}, lineage=lineage, tags={"team": "a"})
    document = pack(file, told, read=read_signature).document
    assert (document.digest, document.name, document.format, document.size) == (
        digest_of(file),
        "double.onnx",
        "onnx",
        file.stat().st_size,
    )
    assert document.signature is not None
    assert [(each.name, each.datatype, each.shape) for each in document.signature.inputs] == [("x", "FP32", (-1, 4))]
    assert (document.licence, document.metrics, document.tags) == ("MIT", {"accuracy": 0.9}, {"team": "a"})


def test_what_an_engine_cannot_load_has_no_signature(tmp_path: Path, file: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(file.read_bytes()[:-20])
    assert read_signature(tmp_path / "cut.onnx", "onnx") is None
    assert read_signature(file, "") is None
    assert read_signature(file, "gguf") is None


def test_a_folder_has_the_digest_of_its_sums(tmp_path: Path) -> None:
    folder = tmp_path / "llm"
    (folder / "below").mkdir(parents=True)
    (folder / "below/a.bin").write_bytes(b"a")
    (folder / "b.json").write_bytes(b"{}")
    document = packed(folder)
    assert (document.digest, document.folder) == (digest_of(folder), True)
    assert [each.path for each in document.files] == ["b.json", "below/a.bin"]


def test_a_file_takes_its_companions_along(tmp_path: Path, file: Path) -> None:
    """ONNX with its weights elsewhere."""
    import onnx

    beside = tmp_path / "made" / "m.onnx"
    beside.parent.mkdir()
    model = onnx.load(file)
    weights = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [64], bytes(256), raw=True)
    model.graph.initializer.append(weights)
    onnx.save(model, beside, save_as_external_data=True, location="m.data", size_threshold=0)
    (beside.parent / "README").write_text("not of the model")
    blobs = MemoryBlobs()
    parcel = pack(beside, Told(), read=lambda *_: None)
    document = parcel.document
    assert (document.folder, document.main, document.digest) == (True, "m.onnx", digest_of_model(beside))
    assert {each.path for each in document.files} == {"m.onnx", "m.data"}
    send(parcel, blobs, say=lambda _: None)
    bring(document, blobs, tmp_path / "to")
    assert digest_of_model(tmp_path / "to" / "m.onnx") == document.digest


def test_a_pickle_is_not_kept(tmp_path: Path) -> None:
    import pickle

    (tmp_path / "m.onnx").write_bytes(pickle.dumps({"a": 1}, protocol=4))
    with pytest.raises(ArtifactError, match=r"m\.onnx: is a pickle, which can run any program"):
        packed(tmp_path / "m.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="holds 0 files"):
        packed(tmp_path / "empty")


def test_links_are_taken_as_what_they_lead_to_and_nothing_is_left_out_unsaid(tmp_path: Path) -> None:
    folder, other = tmp_path / "m", tmp_path / "other"
    for each in (folder, other):
        each.mkdir()
    (folder / "a").write_bytes(b"a")
    (other / "b").write_bytes(b"b")
    (folder / "folder").symlink_to("../other")
    (folder / "file").symlink_to("../other/b")
    document = packed(folder)
    assert [file.path for file in document.files] == ["a", "file", "folder/b"]
    assert document.digest == digest_of(folder)
    (other / "b").write_bytes(b"changed")
    assert digest_of(folder) != document.digest
    (folder / "nowhere").symlink_to("gone")
    with pytest.raises(ArtifactError, match=r"nowhere': is a link that leads nowhere, or a pipe, .*remove it"):
        packed(folder)
    (folder / "nowhere").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(ArtifactError, match=r"pipe': is a link that leads nowhere, or a pipe"):
        packed(folder)
    (folder / "pipe").unlink()
    (folder / "back").symlink_to("..")
    with pytest.raises(OSError, match="leads back to a folder in which it stands"):
        packed(folder)


def test_a_folder_that_broke_off_goes_on_from_what_is_there(tmp_path: Path) -> None:
    folder, to = tmp_path / "m", tmp_path / "to"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_bytes(name.encode())
    blobs = MemoryBlobs()
    parcel = pack(folder, Told(), read=lambda *_: None)
    send(parcel, blobs, say=lambda _: None)
    last, held = parcel.document.files[-1].digest, dict(blobs._held)
    blobs.drop(last)
    with pytest.raises(ArtifactMissing):
        bring(parcel.document, blobs, to)
    assert sorted(path.name for path in to.iterdir()) == ["a", "b"]
    blobs._held = {last: held[last]}
    bring(parcel.document, blobs, to)
    assert digest_of(to) == parcel.document.digest
    for spoil in ("of another size", "x"):
        (to / "a").chmod(0o644)
        (to / "a").write_text(spoil)
        blobs._held = dict(held)
        if spoil == "x":
            with pytest.raises(ArtifactDamaged, match="the folder has the digest"):
                bring(parcel.document, blobs, to)
        bring(parcel.document, blobs, to)
        assert digest_of(to) == parcel.document.digest
    (to / "another").touch()
    bring(parcel.document, blobs, to)
    assert digest_of(to) == parcel.document.digest


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "model")
    for look_at in (packed, digest_of):
        with pytest.raises(OSError, match="it is neither a file nor a folder"):
            look_at(tmp_path / "model")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "\x9b31m", "\u202egpj"])
def test_a_name_that_cannot_be_shown_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"a")
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(ArtifactError, match=r"its name has characters that cannot be shown .give it another"):
            packed(path)


def test_too_much_is_refused_before_anything_is_sent(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ArtifactError, match=r"what is told of it takes .* MiB, which is more than 977 KiB"):
        packed(file, metrics={"accuracy" * 100 + str(number): 0.5 for number in range(12_000)})
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2001):
        (folder / str(number)).touch()
    with pytest.raises(ArtifactError, match=r"holds 2001 files, not 1 to 2000 .name the folder that holds the model"):
        packed(folder)


def test_a_document_that_leads_out_of_its_folder_is_not_followed(tmp_path: Path) -> None:
    blobs, folder = MemoryBlobs(), tmp_path / "m"
    folder.mkdir()
    (folder / "a").write_bytes(b"a")
    parcel = pack(folder, Told(), read=lambda *_: None)
    send(parcel, blobs, say=lambda _: None)
    for path in ("../outside", "/tmp/outside", "a/../../outside"):
        (bad,) = parcel.document.files
        evil = msgspec.structs.replace(parcel.document, files=(msgspec.structs.replace(bad, path=path),))
        with pytest.raises(ArtifactDamaged, match="leads out of its folder"):
            bring(evil, blobs, tmp_path / "to")
    other = msgspec.structs.replace(parcel.document, digest="sha256:" + "0" * 64)
    with pytest.raises(ArtifactDamaged, match=f"its digest is not that of its files, {parcel.document.digest}"):
        bring(other, blobs, tmp_path / "to")
    bring(parcel.document, blobs, tmp_path / "to")
    assert digest_of(tmp_path / "to") == parcel.document.digest


async def test_versions_are_registered_found_and_removed(desk: ModelDesk, file: Path) -> None:
    document = packed(file, licence="MIT")
    shown = await desk.push("double", "v1", wish(document), who="me")
    assert (shown.version, shown.model) == ("v1", document)
    child = packed(file, lineage=Lineage(parent="double@v1"))
    await desk.push("double", "v2", wish(child), who="me")
    await desk.alias("double", "champion", AliasWish(version="v2", **WHY), who="me")
    assert (await desk.show("double", "champion")).aliases == ("champion",)
    (line,) = await desk.list()
    assert (line.versions, line.aliases) == ({"v1": document.digest, "v2": child.digest}, {"champion": "v2"})
    assert await desk.owned() == [document.digest]
    with pytest.raises(VersionInUse, match="the alias champion"):
        await desk.remove("double", "v2", RemoveWish(**WHY), who="me")
    line = await desk.remove("double", "v1", RemoveWish(**WHY), who="me")
    assert (list(line.versions), line.removed) == (["v2"], ("v1",))
    assert [(entry.act, entry.who) for entry in await desk.history("double")][-1] == ("removed", "me")


async def test_what_serves_is_not_removed(desk: ModelDesk, file: Path) -> None:
    digest = "sha256:5e" + "0" * 62
    document = packed(file)
    files = (msgspec.structs.replace(document.files[0], digest=digest),)
    served = msgspec.structs.replace(document, digest=digest, files=files)
    await desk.push("double", "v1", wish(served), who="me")
    with pytest.raises(VersionInUse, match="double@v1 is held by the model chat, which is served"):
        await desk.remove("double", "v1", RemoveWish(**WHY), who="me")


async def test_what_is_no_document_is_refused(desk: ModelDesk, file: Path) -> None:
    document = msgspec.to_builtins(packed(file))
    (held,) = document["files"]
    for change in (
        *({"files": []}, {"v": 2}, {"digest": 7}, {"metrics": {"a": "b"}}, {"digest": "sha256:" + "0" * 64}),
        *({"metrics": {"a": number}} for number in (float("nan"), float("inf"))),
        *({"name": name} for name in ("../../x", "..", "", "a/b", "\x1b[31m", "x" * 300)),
        *({"licence": "\ud800"}, {"main": "../x"}, {"folder": True}, {"files": [held, held]}),
        *(
            {"files": [{**held, **other}]}
            for other in ({"path": "../x"}, {"path": "/x"}, {"digest": "x"}, {"size": -1})
        ),
    ):
        with pytest.raises(RegistryError, match="this is no model's document"):
            await desk.push("m", "v1", ModelWish.model_validate({"document": {**document, **change}, **WHY}), who="me")
    assert await desk.list() == [], "what could not be read again is not registered"
    orphan = packed(file, lineage=Lineage(parent="double@v9"))
    with pytest.raises(NotRegistered, match="there is no model 'double'"):
        await desk.push("m", "v1", wish(orphan), who="me")
    with pytest.raises(RegistryError, match="'double' names no version"):
        await desk.push("m", "v1", wish(packed(file, lineage=Lineage(parent="double"))), who="me")


def test_two_versions_differ_in_what_was_changed(tmp_path: Path, file: Path) -> None:
    one = pack(file, Told(metrics={"accuracy": 0.9}, tags={"team": "a"}), read=read_signature).document
    other = msgspec.structs.replace(one, metrics={"accuracy": 0.95, "f1": 0.9}, tags={})
    assert differing(one, one) == []
    assert differing(one, other) == [
        ("metrics.accuracy", 0.9, 0.95),
        ("tags.team", "a", None),
        ("metrics.f1", None, 0.9),
    ]
    (tmp_path / "b").mkdir()
    changed = packed(double(tmp_path / "b" / "double.onnx"))
    assert {what for what, _, _ in differing(one, changed)} >= {"inputs.x", "metrics.accuracy"}


def test_files_without_a_version_go_when_they_are_old(tmp_path: Path, file: Path) -> None:
    """All verbs over a database of their own, with nothing running."""
    (tmp_path / "modelwright.yaml").write_text("schema: 1\nname: t\nmodels: {m: {source: ./double.onnx}}\n")
    office = ModelOffice(
        tmp_path / ".modelwright", manifest=tmp_path / "modelwright.yaml", environment="development", who="me"
    )
    blobs = MemoryBlobs()
    said: list[str] = []
    verbs = ModelVerbs(office, blobs, say=said.append)
    (tmp_path / "other.bin").write_bytes(b"other")
    for name, version, why in (("Double", "v1", "x"), ("double", "v 1", "x"), ("double", "v1", ""), ("..", "v1", "x")):
        with pytest.raises(RegistryError):
            verbs.push(name, version, file, told=Told(), why=why)
    assert not list(blobs.held()), "nothing is sent of what could not be registered"
    verbs.push("double", "v1", file, told=Told(), why="first")
    verbs.push("double", "v2", tmp_path / "other.bin", told=Told(), why="second")
    verbs.push("double", "v2", tmp_path / "other.bin", told=Told(), why="again")
    assert said[-1].endswith("is there already")
    assert [entry.why for entry in office.history("double")] == ["first", "second"]
    kept = verbs.remove("double", "v2", why="wrong").swept
    assert (kept.dropped, kept.kept) == (0, 1), "somebody may be registering it just now"
    for digest, (content, _) in list(blobs._held.items()):
        blobs._held[digest] = (content, time.time() - FRESH - 1)
    swept = verbs.remove("double", "v1", why="wrong, too").swept
    assert (swept.dropped, swept.kept, swept.freed) == (2, 0, file.stat().st_size + 5)
    assert not list(blobs.held())


def test_a_pulled_copy_is_the_caller_s_own(tmp_path: Path, file: Path) -> None:
    (tmp_path / "modelwright.yaml").write_text("schema: 1\nname: t\nmodels: {m: {source: ./double.onnx}}\n")
    office = ModelOffice(tmp_path / ".modelwright", manifest=tmp_path / "modelwright.yaml", environment="development")
    verbs = ModelVerbs(office, MemoryBlobs(), say=lambda _: None)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"a")
    for version, path in (("v1", file), ("v2", folder)):
        verbs.push("m", version, path, told=Told(), why="new")
        verbs.pull("m", version, tmp_path / f"pulled-{version}")
        assert digest_of(tmp_path / f"pulled-{version}") == digest_of(path)
    assert os.access(tmp_path / "pulled-v1", os.W_OK)
    (tmp_path / "pulled-v2/a.bin").write_bytes(b"changed")
    with pytest.raises(ArtifactError, match="there is something already"):
        verbs.pull("m", "v1", tmp_path / "pulled-v1")
    with pytest.raises(NotRegistered):
        verbs.pull("m", "v3", tmp_path / "nothing")
    for name, word in (("a/b", "v1"), ("..", "v1"), ("", "v1"), ("m", "../v1"), ("m", "a b")):
        with pytest.raises(NotRegistered):
            verbs.pull(name, word, None)
    with pytest.raises(ArtifactError, match=r"nowhere/m: cannot be written: No such file .*may write there"):
        verbs.pull("m", "v1", tmp_path / "nowhere" / "m")
    assert not list(tmp_path.glob(".*part"))
