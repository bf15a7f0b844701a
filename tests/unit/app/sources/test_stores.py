import stat
from pathlib import Path

import pytest

from modelwright.adapters.blobs.local import LocalBlobs
from modelwright.app.sources.section import ArtifactsSection
from modelwright.app.sources.stores import open_blobs


@pytest.mark.parametrize(
    ("at", "place"),
    [
        ("", "{0}/.modelwright/artifacts/blobs"),
        ("./shared", "{0}/shared"),
        ("/srv/models", "/srv/models"),
        ("s3://models", "s3://models"),
        ("s3://models/team/a/", "s3://models/team/a"),
    ],
)
def test_the_store_that_is_named(tmp_path: Path, at: str, place: str) -> None:
    store = open_blobs(ArtifactsSection(at=at), state=tmp_path / ".modelwright", base=tmp_path)
    assert store.place == place.format(tmp_path)
    assert (tmp_path / ".modelwright").exists() == (not at)


def test_nobody_else_looks_into_a_state_directory_that_the_store_makes(tmp_path: Path) -> None:
    store = open_blobs(ArtifactsSection(), state=tmp_path / ".modelwright", base=tmp_path)
    assert isinstance(store, LocalBlobs)
    assert stat.S_IMODE((tmp_path / ".modelwright").stat().st_mode) == 0o700
