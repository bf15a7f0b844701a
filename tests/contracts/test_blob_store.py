"""One suite for every store of models' files: whole or not at all, by digest, and nothing but what was asked for."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from modelwright.adapters.blobs.local import LocalBlobs
from modelwright.adapters.blobs.memory import MemoryBlobs
from modelwright.adapters.blobs.s3 import S3Blobs
from modelwright.adapters.blobs.s3_bucket import S3Bucket, Site
from modelwright.app.artifacts.digests import digest_of
from modelwright.core.errors.artifacts import ArtifactDamaged, ArtifactError, ArtifactMissing, SourceUnavailable
from modelwright.core.ports.registry import BlobStore
from tests.making.s3_server import REGION, S3Server

CONTENT = b"weights " * 200_000
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
NAME = f"sha256/{DIGEST[7:9]}/{DIGEST[7:]}"
OTHER = f"sha256:{hashlib.sha256(b'other').hexdigest()}"


class Place:
    """A store, and what happens to it from outside."""

    def __init__(self, store: BlobStore, spoil: Callable[[bytes], None], age: Callable[[float], None]) -> None:
        self.store = store
        self.spoil = spoil
        """Other content under the same digest."""
        self.age = age
        """As if it had been put there so many seconds ago."""


@contextmanager
def local(folder: Path, _: pytest.MonkeyPatch) -> Iterator[Place]:
    kept = folder / "blobs" / NAME

    def spoil(content: bytes) -> None:
        kept.chmod(0o644)
        kept.write_bytes(content)

    def age(seconds: float) -> None:
        os.utime(kept, (time.time() - seconds, time.time() - seconds))

    yield Place(LocalBlobs(folder / "blobs"), spoil, age)


@contextmanager
def s3(_: Path, environment: pytest.MonkeyPatch) -> Iterator[Place]:
    with S3Server() as server:
        server.page = 1
        for name, value in server.env.items():
            environment.setenv(name, value)
        bucket = S3Bucket("models", Site(region=REGION, endpoint=server.url))
        key = f"team/{NAME}"
        yield Place(
            S3Blobs(bucket, "team/"),
            lambda content: server.hold(key, content),
            lambda seconds: server.hold(key, server.held[key].content, age=seconds),
        )
        bucket.close()


@contextmanager
def memory(_: Path, __: pytest.MonkeyPatch) -> Iterator[Place]:
    store = MemoryBlobs()

    def put(content: bytes | None, seconds: float) -> None:
        held = store._held[DIGEST]
        store._held[DIGEST] = (held[0] if content is None else content, time.time() - seconds)

    yield Place(store, lambda content: put(content, 0), lambda seconds: put(None, seconds))


@pytest.fixture(params=[local, s3, memory], ids=lambda each: each.__name__)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with request.param(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(CONTENT)
    return path


def test_what_was_put_there_is_fetched_read_only(place: Place, file: Path, tmp_path: Path) -> None:
    assert place.store.put(file, DIGEST)
    file.write_bytes(b"the user's own file is the user's")
    for lasting in (False, True):
        to = tmp_path / f"fetched-{lasting}"
        place.store.fetch(DIGEST, to, lasting=lasting)
        assert to.read_bytes() == CONTENT
        assert stat.S_IMODE(to.stat().st_mode) == 0o444
    with pytest.raises(FileExistsError):
        place.store.fetch(DIGEST, tmp_path / "fetched-True")
    assert (tmp_path / "fetched-True").read_bytes() == CONTENT


def test_the_same_twice_is_kept_once_and_counts_as_new(place: Place, file: Path, tmp_path: Path) -> None:
    assert place.store.put(file, DIGEST)
    place.age(100_000)
    (old,) = place.store.held()
    assert (old.digest, old.size) == (DIGEST, len(CONTENT))
    assert old.since < time.time() - 90_000
    assert not place.store.put(file, DIGEST)
    (new,) = place.store.held()
    assert new.since > time.time() - 100
    (tmp_path / "o").write_bytes(b"other")
    assert place.store.put(tmp_path / "o", OTHER)
    assert {blob.digest for blob in place.store.held()} == {DIGEST, OTHER}


def test_a_file_of_another_digest_is_not_kept(place: Place, file: Path) -> None:
    with pytest.raises(ArtifactDamaged, match=rf"model\.bin: its content has the digest {DIGEST}, not {OTHER}"):
        place.store.put(file, OTHER)
    assert not list(place.store.held())


def test_what_was_damaged_is_not_given_out(place: Place, file: Path, tmp_path: Path) -> None:
    place.store.put(file, DIGEST)
    place.spoil(CONTENT[:-1] + b"?")
    for lasting in (False, True):
        with pytest.raises(ArtifactDamaged, match="changed or damaged"):
            place.store.fetch(DIGEST, tmp_path / "to", lasting=lasting)
        assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("spoilt", [CONTENT[:10], CONTENT[:-1] + b"?"], ids=["short", "changed"])
def test_what_was_damaged_is_mended_by_putting_it_there_again(
    place: Place, file: Path, tmp_path: Path, spoilt: bytes
) -> None:
    place.store.put(file, DIGEST)
    place.spoil(spoilt)
    place.store.put(file, DIGEST)
    place.store.fetch(DIGEST, tmp_path / "to")
    assert (tmp_path / "to").read_bytes() == CONTENT


def test_what_is_not_there_is_named_and_dropping_it_is_no_fault(place: Place, file: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match=f"{DIGEST} is not kept there .push the version again;"):
        place.store.fetch(DIGEST, tmp_path / "to")
    assert not list(tmp_path.glob("to*"))
    place.store.put(file, DIGEST)
    place.store.drop(DIGEST)
    place.store.drop(DIGEST)
    assert not list(place.store.held())


def test_what_was_put_there_again_is_not_dropped_as_old(place: Place, file: Path) -> None:
    before = time.time() - 50_000
    place.store.put(file, DIGEST)
    place.age(100_000)
    place.store.put(file, DIGEST)
    assert not place.store.drop(DIGEST, before=before)
    place.age(100_000)
    assert place.store.drop(DIGEST, before=before)
    assert not place.store.drop(DIGEST)
    assert not list(place.store.held())


def test_a_file_that_somebody_clears_away_just_when_it_is_put_is_there(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    for _ in range(100):
        LocalBlobs(folder).put(file, DIGEST)
        os.utime(folder / NAME, (1, 1))
        start = threading.Barrier(2)
        with ThreadPoolExecutor(2) as both:
            putting = both.submit(lambda: (start.wait(), LocalBlobs(folder).put(file, DIGEST)))  # noqa: B023 - waited for
            both.submit(lambda: (start.wait(), LocalBlobs(folder).drop(DIGEST, before=1000.0)))  # noqa: B023
            putting.result()
        assert [blob.digest for blob in LocalBlobs(folder).held()] == [DIGEST]


def test_who_may_read_what_is_kept_is_the_umask_s_business(file: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        LocalBlobs(tmp_path / "blobs").put(file, DIGEST)
        LocalBlobs(tmp_path / "blobs").fetch(DIGEST, tmp_path / "to")
    finally:
        os.umask(before)
    for path in (tmp_path / "blobs" / NAME, tmp_path / "to"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o400


@pytest.mark.parametrize("word", ["", "sha256:../../etc/passwd", "md5:00", f"sha256:{'A' * 64}", f"{OTHER}/"])
def test_no_name_leads_elsewhere(place: Place, tmp_path: Path, word: str) -> None:
    for act in (lambda: place.store.fetch(word, tmp_path / "to"), lambda: place.store.put(tmp_path, word)):
        with pytest.raises((ArtifactDamaged, IsADirectoryError)):
            act()


def test_an_upload_that_is_killed_leaves_nothing_to_see(tmp_path: Path) -> None:
    """kill -9 at many moments; what is there afterwards is whole, or is not there."""
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(1 << 20) * 64)
    digest = digest_of(big)
    folder = tmp_path / "blobs"
    program = (
        "import sys; from pathlib import Path; from modelwright.adapters.blobs.local import LocalBlobs\n"
        "print('go', flush=True); LocalBlobs(Path(sys.argv[1])).put(Path(sys.argv[2]), sys.argv[3])"
    )
    for pause in (0.0, 0.01, 0.03, 0.06, 0.1):
        words = [sys.executable, "-c", program, str(folder), str(big), digest]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(pause)
            child.send_signal(signal.SIGKILL)
        store = LocalBlobs(folder)
        for blob in store.held():
            assert (blob.digest, blob.size) == (digest, big.stat().st_size)
            store.fetch(digest, tmp_path / f"whole-{pause}")
            store.drop(digest)
    assert LocalBlobs(folder).put(big, digest)
    for left in (folder / "incoming").iterdir():
        os.utime(left, (1, 1))
    LocalBlobs(folder).drop(digest)
    LocalBlobs(folder).put(big, digest)
    assert not list((folder / "incoming").iterdir()), "what killed ones have left goes in time"


def test_a_lasting_file_takes_no_room_of_its_own(file: Path, tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path / "blobs")
    store.put(file, DIGEST)
    store.fetch(DIGEST, tmp_path / "to", lasting=True)
    store.fetch(DIGEST, tmp_path / "own")
    assert (
        (tmp_path / "to").stat().st_ino == (tmp_path / "blobs" / NAME).stat().st_ino != (tmp_path / "own").stat().st_ino
    )


def test_a_folder_that_cannot_be_used_is_named(file: Path, tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file")
    with pytest.raises(SourceUnavailable, match="blobs: cannot be used: "):
        LocalBlobs(tmp_path / "blobs").put(file, DIGEST)


@pytest.mark.parametrize(
    ("failing", "told"),
    [
        ("AccessDenied", "the store does not let us .allow s3:GetObject"),
        ("SignatureDoesNotMatch", "does not take the credentials"),
        ("InvalidAccessKeyId", "does not take the credentials"),
        ("RequestTimeTooSkewed", "does not take the credentials .*this machine's clock"),
        ("SlowDown", r"the store has too much to do .SlowDown. .try again"),
        ("Weird\x9b", "the store answered Weird"),
    ],
)
def test_s3_refusals_are_told_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failing: str, told: str
) -> None:
    with S3Server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        server.failing = failing
        store = S3Blobs(S3Bucket("models", Site(region=REGION, endpoint=server.url)), "")
        (tmp_path / "o").write_bytes(b"other")
        for act in (lambda: store.fetch(DIGEST, tmp_path / "to"), lambda: store.put(tmp_path / "o", OTHER)):
            with pytest.raises(SourceUnavailable, match=told) as refused:
                act()
            assert server.secret_key not in str(refused.value)


def test_a_store_that_is_not_there_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with S3Server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ArtifactError, match="there is no bucket s3://elsewhere"):
            list(S3Blobs(S3Bucket("elsewhere", Site(region=REGION, endpoint=server.url)), "").held())
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        S3Blobs(S3Bucket("models", Site(region=REGION, endpoint=server.url)), "").fetch(DIGEST, tmp_path / "to")
    with monkeypatch.context() as changed:
        changed.setenv("AWS_ENDPOINT_URL", "not an address with a Secret")
        with pytest.raises(SourceUnavailable, match="the request could not be made") as refused:
            S3Blobs(S3Bucket("models", Site(region=REGION)), "").fetch(DIGEST, tmp_path / "to")
        assert "Secret" not in str(refused.value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    nobody = S3Blobs(S3Bucket("models", Site(region=REGION, endpoint=server.url)), "")
    with pytest.raises(SourceUnavailable, match="credentials for S3 are not found"):
        nobody.fetch(DIGEST, tmp_path / "to")


def test_what_breaks_off_is_continued(monkeypatch: pytest.MonkeyPatch, file: Path, tmp_path: Path) -> None:
    with S3Server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        store = S3Blobs(S3Bucket("models", Site(region=REGION, endpoint=server.url)), "")
        store.put(file, DIGEST)
        server.break_after = 1 << 20
        store.fetch(DIGEST, tmp_path / "to")
    assert (tmp_path / "to").read_bytes() == CONTENT


def test_a_bucket_elsewhere_is_told_with_its_region(
    monkeypatch: pytest.MonkeyPatch, file: Path, tmp_path: Path
) -> None:
    with S3Server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        server.region = "us-west-2"
        store = S3Blobs(S3Bucket("models", Site(region=REGION, endpoint=server.url)), "")
        for act in (lambda: store.fetch(DIGEST, tmp_path / "to"), lambda: store.put(file, DIGEST)):
            with pytest.raises(ArtifactError, match=r"is in us-west-2 .set store\.artifacts\.region to us-west-2"):
                act()


def test_an_endpoint_of_the_environment_is_asked_by_path_and_named(
    monkeypatch: pytest.MonkeyPatch, file: Path, tmp_path: Path
) -> None:
    with S3Server() as server:
        for name, value in {**server.env, "AWS_ENDPOINT_URL_S3": server.url.replace("127.0.0.1", "localhost")}.items():
            monkeypatch.setenv(name, value)
        store = S3Blobs(S3Bucket("models", Site()), "")
        assert store.put(file, DIGEST)
        assert all(" /models/" in line for line in server.asked)
    with pytest.raises(SourceUnavailable, match=r"http://localhost:\d+: cannot be reached"):
        S3Blobs(S3Bucket("models", Site()), "").fetch(DIGEST, tmp_path / "to")


def test_a_file_that_changes_while_it_is_sent_is_not_kept(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    with S3Server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        store = S3Blobs(S3Bucket("models", Site(region=REGION, endpoint=server.url)), "")

        def change() -> None:
            file.write_bytes(CONTENT[::-1])

        server.answered = change  # by then its digest was looked at, and it is sent next
        with pytest.raises(ArtifactDamaged, match=r"model\.bin: it was changed while it was being sent .push it again"):
            store.put(file, DIGEST)
        assert not server.held


def test_a_large_file_goes_to_s3_in_parts_and_what_breaks_off_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with S3Server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        store = S3Blobs(S3Bucket("models", Site(region=REGION, endpoint=server.url)), "")
        big = tmp_path / "big"
        big.write_bytes(bytes(65 << 20))
        digest = f"sha256:{hashlib.sha256(bytes(65 << 20)).hexdigest()}"
        for name, since in (("old", 1.0), ("new", time.time())):
            server.uploads[name] = (f"sha256/{digest[7:9]}/{digest[7:]}", since, {1: b"x"})
        assert store.put(big, digest)
        assert any("partNumber=2" in line for line in server.asked)
        assert not store.put(big, digest), "it is known by the mark of its parts"
        assert list(server.uploads) == ["new"], "what killed ones have left goes in time"
        store.fetch(digest, tmp_path / "to")
        server.break_after = 1 << 20
        with pytest.raises(SourceUnavailable):
            store.fetch(digest, tmp_path / "again")
        assert not (tmp_path / "again").exists()
