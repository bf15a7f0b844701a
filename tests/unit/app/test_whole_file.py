import os
from pathlib import Path

import pytest

from modelwright.app.whole_file import write_private, write_whole


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_as_a_whole(tmp_path: Path, *, durable: bool) -> None:
    path = tmp_path / "snapshot.json"
    write_whole(path, b"old", durable=durable)
    before = os.open(path, os.O_RDONLY)
    write_whole(path, b"new content", durable=durable)
    assert os.read(before, 100) == b"old"
    os.close(before)
    assert path.read_bytes() == b"new content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["snapshot.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.mkdir()
    with pytest.raises(OSError, match="snapshot"):
        write_whole(path, b"new")
    assert [found.name for found in tmp_path.iterdir()] == ["snapshot.json"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        write_private(tmp_path / "link", b"secret")
    assert not (tmp_path / "elsewhere").exists()
