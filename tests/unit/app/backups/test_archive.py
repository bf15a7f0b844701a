import io
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.app.backups.archive import Head, Member, pyrage, read, write
from modelwright.core.errors.backups import BackupDamaged, BackupError, WrongKey

HEAD = Head(project="shop", environment="test", at=1.0, made_by="1", manifest="modelwright.yaml")
IDENTITY: Any = pyrage.x25519.Identity.generate()
NAMES = st.lists(st.text("abé ", min_size=1, max_size=60).map("f{}".format), min_size=1, max_size=4).map("/".join)
KEPT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def _made(path: Path, contents: dict[str, bytes]) -> Path:
    members = [Member(name, len(content), [content]) for name, content in contents.items()]
    write(HEAD, members, to=path, recipients=[IDENTITY.to_public()])
    return path


def _read(path: Path, identity: Any = IDENTITY) -> tuple[Head, dict[str, bytes]]:
    found: dict[str, bytes] = {}

    def take(name: str, content: IO[bytes]) -> None:
        found[name] = content.read()

    return read(path, [identity], into=take), found


@KEPT
@given(st.dictionaries(NAMES, st.binary(max_size=3000), max_size=6))
def test_what_was_written_is_read(tmp_path: Path, contents: dict[str, bytes]) -> None:
    assert _read(_made(tmp_path / "one", contents)) == (HEAD, contents)


@KEPT
@given(where=st.floats(0, 1, exclude_max=True), cut=st.booleans())
def test_a_cut_or_changed_file_is_seen_wherever_it_is(tmp_path: Path, where: float, *, cut: bool) -> None:
    file, damaged = tmp_path / "one", tmp_path / "damaged"
    if not file.exists():
        _made(file, {"a": bytes(200_000), "b": b"x" * 1000})
    whole = file.read_bytes()
    at = int(where * len(whole))
    damaged.write_bytes(whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises((BackupDamaged, WrongKey)):
        _read(damaged)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    file = _made(tmp_path / "one", {"a": b"content"})
    with pytest.raises(WrongKey, match="another key"):
        _read(file, pyrage.x25519.Identity.generate())


@pytest.mark.parametrize("left", ["digests.json", "a"])
def test_a_tar_that_was_put_together_otherwise_is_none(tmp_path: Path, left: str) -> None:
    plain, again = io.BytesIO(), io.BytesIO()
    with _made(tmp_path / "one", {"a": b"1", "b": b"2"}).open("rb") as encrypted:
        pyrage.decrypt_io(encrypted, plain, [IDENTITY])
    plain.seek(0)
    with tarfile.open(fileobj=plain) as source, tarfile.open(fileobj=again, mode="w") as target:
        for info in source:
            if info.name != left:
                target.addfile(info, source.extractfile(info))
    (tmp_path / "two").write_bytes(pyrage.encrypt(again.getvalue(), [IDENTITY.to_public()]))
    with pytest.raises(BackupDamaged):
        _read(tmp_path / "two")


def test_a_file_that_shrinks_meanwhile_fails_the_backup_and_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="changed while it was read"):
        write(HEAD, [Member("a", 10, [b"short"])], to=tmp_path / "one", recipients=[IDENTITY.to_public()])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_nothing_fails_the_backup(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackupError, match="cannot be written"):
        write(HEAD, [], to=tmp_path / "file" / "one", recipients=[IDENTITY.to_public()])


def test_it_is_never_whole_in_memory(tmp_path: Path) -> None:
    size = 64 << 20

    def pieces() -> Iterator[bytes]:
        for _ in range(size >> 20):
            yield bytes(1 << 20)

    tracemalloc.start()
    try:
        write(HEAD, [Member("a", size, pieces())], to=tmp_path / "one", recipients=[IDENTITY.to_public()])

        def take(_: str, content: IO[bytes]) -> None:
            while content.read(1 << 20):
                pass

        read(tmp_path / "one", [IDENTITY], into=take)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
