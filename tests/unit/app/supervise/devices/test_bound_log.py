import os
import stat
from pathlib import Path

from modelwright.app.supervise.devices.child import bound_log


def test_a_short_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "gateway-0.log"
    log.write_bytes(b"x" * 100)
    bound_log(log, limit=100)
    assert [path.name for path in tmp_path.iterdir()] == [log.name]


def test_a_long_log_is_moved_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "gateway-0.log"
    writer = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(writer, b"old" * 100)
    bound_log(log, limit=100)
    os.write(writer, b"new")
    os.close(writer)
    older = tmp_path / "gateway-0.log.1"
    assert (log.read_bytes(), older.read_bytes()) == (b"new", b"old" * 100)
    assert stat.S_IMODE(older.stat().st_mode) == 0o600


def test_one_older_piece_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "gateway-0.log"
    for content in (b"first" * 100, b"second" * 100):
        log.write_bytes(content)
        bound_log(log, limit=100)
    assert (tmp_path / "gateway-0.log.1").read_bytes() == b"second" * 100


def test_a_log_that_is_not_there_is_no_matter(tmp_path: Path) -> None:
    bound_log(tmp_path / "gateway-0.log")
    assert list(tmp_path.iterdir()) == []
