"""Backups on a shelf: one more, fewer of its own, and nobody else's touched; in a folder and in a bucket alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from requests import ConnectionError as RequestsConnectionError

from modelwright.app.backups.archive import Head, Member, pyrage, read
from modelwright.app.backups.keeping import Wanted, keep_it, wanted
from modelwright.app.backups.shelves import fetched
from modelwright.app.sources.section import ArtifactsSection
from modelwright.core.errors.backups import BackupError
from modelwright.core.errors.tree import ManifestError
from tests.making.s3_server import S3Server

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())


class Place(NamedTuple):
    """Somewhere to keep them."""

    to: str
    section: ArtifactsSection
    hold: Callable[[str], None]
    names: Callable[[], set[str]]

    def how(self, keep: int = 0) -> Wanted:
        return Wanted(to=self.to, base=Path("/"), keep=keep, recipients=(RECIPIENT,), artifacts=self.section)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "folder":
        folder = tmp_path / "kept"
        folder.mkdir()
        names = lambda: {one.name for one in folder.iterdir()}  # noqa: E731
        yield Place(str(folder), ArtifactsSection(), lambda name: (folder / name).touch(), names)
        return
    with S3Server() as s3:
        for name, value in s3.env.items():
            monkeypatch.setenv(name, value)
        names = lambda: {key.removeprefix("all/kept/") for key in s3.held}  # noqa: E731
        section = ArtifactsSection(endpoint=s3.url)
        yield Place("s3://models/all/kept", section, lambda name: s3.hold(f"all/kept/{name}", b""), names)


def _head(at: float = 1.7e9, environment: str = "test") -> Head:
    return Head(project="shop", environment=environment, at=at, made_by="1", manifest="m")


def test_what_was_kept_is_read_again(place: Place) -> None:
    kept = keep_it(_head(), [Member("a", 7, [b"content"])], place.how())
    assert place.names() == {kept.file.rpartition("/")[2]}
    found: dict[str, bytes] = {}
    with fetched(kept.file, section=place.section) as file:
        assert file.stat().st_size == kept.size
        read(file, [IDENTITY], into=lambda name, content: found.update({name: content.read()}))
    assert found == {"a": b"content"}


def test_older_ones_of_its_own_go_and_nobody_else_s(place: Place) -> None:
    others = {
        "shop-production-20200101T000000Z.backup.age",
        "shop-test-2-20200101T000000Z.backup.age",
        "my-shop-test-20200101T000000Z.backup.age",
        "shop-test-20200101T000000Z.txt",
    }
    mine = [f"shop-test-20{year}0101T000000Z.backup.age" for year in (20, 21, 22)]
    for name in (*others, *mine):
        place.hold(name)
    kept = keep_it(_head(), [], place.how(keep=2))
    assert [name.rpartition("/")[2] for name in kept.removed] == mine[:2]
    assert place.names() == {*others, mine[2], kept.file.rpartition("/")[2]}


@pytest.mark.parametrize(("keep", "left"), [(1, []), (2, [22]), (9, [21, 22])])
def test_a_clock_that_is_behind_does_not_take_the_new_one(place: Place, keep: int, left: list[int]) -> None:
    for year in (21, 22):
        place.hold(f"shop-test-20{year}0101T000000Z.backup.age")
    kept = keep_it(_head(at=1.5e9), [], place.how(keep=keep))
    stay = {f"shop-test-20{year}0101T000000Z.backup.age" for year in left}
    assert place.names() == {*stay, kept.file.rpartition("/")[2]}


def test_a_target_that_is_lost_is_told_as_such(place: Place) -> None:
    def lost() -> Iterator[bytes]:
        raise RequestsConnectionError("no answer")
        yield b""

    with pytest.raises(RequestsConnectionError, match="no answer"):
        keep_it(_head(), [Member("a", 7, lost())], place.how())
    assert place.names() == set()


def test_what_fails_is_not_kept_and_removes_nothing(place: Place) -> None:
    place.hold("shop-test-20200101T000000Z.backup.age")
    with pytest.raises(BackupError, match="changed while it was read"):
        keep_it(_head(), [Member("a", 7, [b"short"])], place.how(keep=1))
    assert place.names() == {"shop-test-20200101T000000Z.backup.age"}


def test_one_of_the_same_second_is_not_written_over(place: Place) -> None:
    keep_it(_head(), [], place.how())
    with pytest.raises(BackupError, match="is there already"):
        keep_it(_head(), [], place.how())


MANIFEST = 'schema: 1\nname: shop\nbackup: {{to: "{to}", keep: 3, recipients: ["{recipient}"]}}\n'


def test_options_come_before_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "modelwright.yaml"
    path.write_text(MANIFEST.format(to="${env:KEPT}", recipient=RECIPIENT))
    monkeypatch.setenv("KEPT", "s3://bucket/kept")
    found = wanted(path, environment="test")
    assert (found.to, found.keep, found.recipients) == ("s3://bucket/kept", 3, (RECIPIENT,))
    other = str(pyrage.x25519.Identity.generate().to_public())
    found = wanted(path, environment="test", to="here", keep=0, recipients=[other])
    assert (found.to, found.base, found.keep, found.recipients) == ("here", Path(), 0, (other,))
    monkeypatch.delenv("KEPT")
    with pytest.raises(ManifestError, match="KEPT"):
        wanted(path, environment="test")


@pytest.mark.parametrize(
    ("to", "problem"), [("s3://b", "names no bucket"), ("gs://bucket/x", "is no place for backups")]
)
def test_a_place_that_is_none_is_refused(tmp_path: Path, to: str, problem: str) -> None:
    path = tmp_path / "modelwright.yaml"
    path.write_text(MANIFEST.format(to=to, recipient=RECIPIENT))
    with pytest.raises(ManifestError, match=re.escape(problem)):
        wanted(path, environment="test")
