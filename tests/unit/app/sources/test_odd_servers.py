"""Servers that lie, change their minds, dawdle or break off; processes that are killed; disks that are full."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwright.adapters.http.dial import tls_context
from modelwright.adapters.http.download import Progress, download
from modelwright.adapters.http.pool import Pool
from modelwright.app.sources.fetch import Told, fetch_object
from modelwright.core.errors.artifacts import ArtifactError, SourceUnavailable
from modelwright.core.ports.http import Deadlines
from tests.e2e.clients import patient
from tests.making.file_server import FileServer
from tests.unit.app.sources.fetching import CONTENT, DIGEST, OTHER, Make

HEAD = b"HTTP/1.1 %s\r\n%s\r\n"
FETCHING = """
import resource, sys
from pathlib import Path
from modelwright.adapters.http.dial import tls_context
from modelwright.app.sources.section import ArtifactsSection
from modelwright.app.sources.sources import Sources
from modelwright.core.errors.tree import ModelwrightError

folder, bundle, url, digest, most = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), -1))
section = ArtifactsSection.model_validate({"allow": ["127.0.0.0/8", "::1/128"]})
sources = Sources(Path(folder) / "state", Path(folder), section=section, tls=lambda: tls_context(ca_bundle=bundle))
try:
    sources.locate(url, digest)
except ModelwrightError as error:
    sys.exit(str(error))
"""


def elsewhere(tmp_path: Path, certificates: Path, server: FileServer, *, most: int = -1) -> list[str]:
    """The words of a process that fetches the file."""
    bundle = str(certificates / "authority.pem")
    return [sys.executable, "-c", FETCHING, str(tmp_path), bundle, f"{server.url}/m", DIGEST, str(most)]


def test_a_file_that_changes_between_two_pieces_is_begun_anew(make: Make, server: FileServer, tmp_path: Path) -> None:
    """With the server's marks at the next piece, without them as soon as the digest is another one."""

    def change() -> None:
        server.files["/m"] = CONTENT
        server.break_after = -1

    server.answered = change
    for server.marks in (True, False):
        server.files["/m"] = bytes(3 << 20)
        server.break_after = 600_000
        assert Path(make().locate(f"{server.url}/m", DIGEST).path).read_bytes() == CONTENT
        shutil.rmtree(tmp_path / "state/artifacts")


def test_a_part_that_is_longer_than_the_file_by_now_is_begun_anew(make: Make, server: FileServer) -> None:
    server.files["/m"] = bytes(9 << 20)
    server.break_after = 1 << 20
    with pytest.raises(SourceUnavailable):
        make().locate(f"{server.url}/m", DIGEST)
    server.break_after, server.files["/m"] = -1, CONTENT
    assert Path(make().locate(f"{server.url}/m", DIGEST).path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (HEAD % (b"200 OK", b"content-length: 9\r\n") + b"short", "the answer ended before its end"),
        (HEAD % (b"200 OK", b"content-length: 2\r\n") + b"other", "has the digest .* not"),
        (HEAD % (b"200 OK", b"") + b"other", f"has the digest {OTHER}, not .*correct the digest"),
        (HEAD % (b"200 OK", b"content-encoding: gzip\r\ncontent-length: 5\r\n") + b"other", "packs it as gzip"),
        (HEAD % (b"200 OK", b"content-length: 99999999999999999999999\r\n"), "/m: "),
        (HEAD % (b"200 OK", b"content-length: 1000000000000000\r\n"), r"it takes 909 TiB, and the cache holds"),
        (HEAD % (b"200 OK", b"transfer-encoding: chunked\r\n") + b"5\r\nother\r\n", "the answer ended before its end"),
        (HEAD % (b"206 Partial", b"content-range: bytes 0-1/" + b"9" * 5000 + b"\r\n"), "the cache holds at most"),
        (HEAD % (b"302 Found", b"location: https://[::1\r\ncontent-length: 0\r\n"), "which is not https"),
        (HEAD % (b"302 Found", b"location: https://h:99999/\r\ncontent-length: 0\r\n"), "cannot be asked: Port out of"),
        (
            HEAD % (b"302 Found", b"location: file:///etc/passwd\r\ncontent-length: 0\r\n"),
            "to file:///etc/passwd,",
        ),
        (HEAD % (b"302 Found", b"location: https://%ff\x9b/\r\ncontent-length: 0\r\n"), "/m: "),
        (HEAD % (b"302 Found", b"location: //\r\ncontent-length: 0\r\n"), "/m: "),
        (HEAD % (b"302 Found", b"content-length: 0\r\n"), "it leads to nowhere"),
        (HEAD % (b"416 No", b"content-range: bytes */0\r\ncontent-length: 0\r\n"), "it answered 416"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "/m: "),
    ],
)
def test_no_answer_of_a_server_does_more_than_fail(make: Make, server: FileServer, answer: bytes, told: str) -> None:
    server.raw["/m"] = answer
    with pytest.raises(ArtifactError, match=told):
        make().locate(f"{server.url}/m", DIGEST)


def test_a_file_without_a_length_is_as_good(make: Make, server: FileServer) -> None:
    server.raw["/m"] = HEAD % (b"200 OK", b"") + CONTENT
    assert Path(make().locate(f"{server.url}/m", DIGEST).path).read_bytes() == CONTENT


def test_an_address_in_letters_of_others_is_asked_for(make: Make, server: FileServer, tmp_path: Path) -> None:
    server.files["/gr%C3%B6%C3%9Fe%20eins.onnx"] = CONTENT
    assert Path(make().locate(f"{server.url}/größe eins.onnx", DIGEST).path).name == "gr-e-eins.onnx"
    shutil.rmtree(tmp_path / "state/artifacts")
    server.raw["/old"] = HEAD % (b"302 Found", "location: /größe eins.onnx\r\ncontent-length: 0\r\n".encode())
    assert make().locate(f"{server.url}/old", DIGEST).digest == DIGEST


def test_a_server_that_is_busy_for_a_moment_is_asked_again(make: Make, server: FileServer) -> None:
    server.files["/m"] = CONTENT
    server.status = 503

    def calm() -> None:
        server.status = 0

    server.answered = calm
    assert make().locate(f"{server.url}/m", DIGEST).digest == DIGEST
    assert len(server.asked) == 2


async def test_who_sends_a_byte_now_and_then_keeps_nobody_waiting(
    server: FileServer, certificates: Path, tmp_path: Path
) -> None:
    server.files["/m"] = CONTENT
    server.drip = 100
    pool = Pool(tls=lambda: tls_context(ca_bundle=str(certificates / "authority.pem")))
    with pytest.raises(SourceUnavailable, match=r"only \d+ bytes came in \d+ s .start again: what came is kept"):
        await download(
            f"{server.url}/m",
            tmp_path / "m",
            transport=pool,
            progress=Progress(lambda *_: None, lambda _: None),
            deadlines=Deadlines(),
            within=600.0,
            slowest=(1 << 20, 0.5),
        )
    assert (tmp_path / "m").stat().st_size >= 100
    await pool.close()


class Cutting:
    """A bucket whose answers end too soon, and do not say so."""

    place = "s3://models"

    def read(self, _key: str, *, start: int, mark: str) -> Iterator[bytes]:
        yield b"%d" % start + mark.encode()


def test_an_object_whose_end_never_comes_is_not_taken_for_whole(tmp_path: Path) -> None:
    told = Told("s3://models/m", lambda _: None, lambda *_: None)
    with pytest.raises(SourceUnavailable, match=r"it ended after 4 of 9 bytes .start again: what came is kept"):
        fetch_object(Cutting(), "m", tmp_path / "m", told=told, size=9, mark="")
    fetch_object(Cutting(), "m", tmp_path / "m", told=told, size=8, mark="")
    assert (tmp_path / "m").read_bytes() == b"01234567"


def test_a_download_that_is_killed_is_continued(
    make: Make, server: FileServer, certificates: Path, tmp_path: Path
) -> None:
    server.files["/m"] = CONTENT
    server.drip = 2 << 20
    incoming = tmp_path / "state/artifacts/cache/incoming"
    with subprocess.Popen(elsewhere(tmp_path, certificates, server)) as child:
        patient(lambda: any(path.is_file() and path.stat().st_size > 1 << 20 for path in incoming.rglob("m")))
        child.kill()
    server.drip = 0
    server.asked.clear()
    assert Path(make().locate(f"{server.url}/m", DIGEST).path).read_bytes() == CONTENT
    ((_, span),) = server.asked
    assert int(span.removeprefix("bytes=").removesuffix("-")) > 1 << 20
    assert not list(incoming.iterdir())


def test_a_full_disk_is_told_and_not_kept_full(server: FileServer, certificates: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    server.files["/m"] = CONTENT
    words = elsewhere(tmp_path, certificates, server, most=1 << 20)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cache: cannot be written: File too large (free some of the disk" in done.stderr
    assert not list((tmp_path / "state/artifacts/cache/incoming").iterdir())


def test_what_the_disk_has_no_room_for_is_not_begun(make: Make, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "state/artifacts/cache").mkdir(parents=True)
    length = 2 * shutil.disk_usage(tmp_path).total
    server.raw["/m"] = HEAD % (b"200 OK", b"content-length: %d\r\n" % length) + b"x"
    with pytest.raises(ArtifactError, match=r"have to be written yet, and the disk has .* .free some of the disk of"):
        make(cache=f"{length}B").locate(f"{server.url}/m", DIGEST)


def test_what_was_never_completed_keeps_to_the_bound_too(make: Make, server: FileServer, tmp_path: Path) -> None:
    server.break_after = 600_000
    for number in range(5):
        server.files[f"/{number}"] = CONTENT
        with pytest.raises(SourceUnavailable):
            make(cache="5MiB").locate(f"{server.url}/{number}", f"sha256:{number:064}")
    incoming = tmp_path / "state/artifacts/cache/incoming"
    sizes = [path.stat().st_size for path in incoming.rglob("*") if path.is_file()]
    assert sizes == [2_400_000] * 3, "two are below the bound, and the one that was fetched last"
