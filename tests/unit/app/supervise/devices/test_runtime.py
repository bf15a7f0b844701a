import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from modelwright.app.supervise.devices.runtime import (
    POINTER,
    Pointer,
    claim,
    read_pointer,
    running,
    runtime_folder,
)
from modelwright.core.errors.starting import AlreadyRunning, NotRunning, StartError


def pointer(runtime: Path) -> Pointer:
    return Pointer(
        pid=os.getpid(), runtime=str(runtime), public="http://127.0.0.1:1", admin="http://127.0.0.1:2", since=1.0
    )


@pytest.fixture
def run_folder() -> Iterator[str]:
    """With a short path, as such folders have: the paths of sockets are bounded."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


def test_claim_makes_folders_for_this_user_alone(tmp_path: Path, run_folder: str) -> None:
    held = claim(tmp_path / ".modelwright", ["control"], run_folder=run_folder)
    assert stat.S_IMODE(held.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(held.runtime.stat().st_mode) == 0o700
    assert held.runtime.parent == Path(run_folder)
    assert (held.state / ".gitignore").read_text().endswith("*\n")
    held.release()


def test_second_claim_names_the_first_ones_process(tmp_path: Path, run_folder: str) -> None:
    held = claim(tmp_path / "s", ["control"], run_folder=run_folder)
    held.point(pointer(held.runtime))
    with pytest.raises(AlreadyRunning, match=rf"runs already \(pid {os.getpid()}\)"):
        claim(tmp_path / "s", ["control"], run_folder=run_folder)
    held.release()
    claim(tmp_path / "s", ["control"], run_folder=run_folder).release()


def test_release_leaves_neither_sockets_nor_pointer(tmp_path: Path, run_folder: str) -> None:
    held = claim(tmp_path / "s", ["control"], run_folder=run_folder)
    held.point(pointer(held.runtime))
    (held.runtime / "status.json").write_text("{}")
    held.release()
    assert not held.runtime.exists()
    assert not (held.state / POINTER).exists()


def test_folder_of_a_killed_run_is_taken_over_empty(tmp_path: Path, run_folder: str) -> None:
    held = claim(tmp_path / "s", ["control"], run_folder=run_folder)
    (held.runtime / "snapshot.json").write_text("old")
    (held.runtime / "folder").mkdir()
    for lock in held._locks:
        os.close(lock)  # as the kernel does for a killed process
    again = claim(tmp_path / "s", ["control"], run_folder=run_folder)
    assert again.runtime == held.runtime
    assert list(again.runtime.iterdir()) == []
    again.release()


def test_workers_of_a_killed_run_are_waited_for_and_it_is_said(tmp_path: Path, run_folder: str) -> None:
    held = claim(tmp_path / "s", ["control"], run_folder=run_folder)
    os.close(held._locks[0])
    lines: list[str] = []
    with pytest.raises(AlreadyRunning, match="an earlier run"):
        claim(tmp_path / "s", ["control"], run_folder=run_folder, patience=0.0, say=lines.append)
    assert lines == ["processes of an earlier run finish their calls"]
    os.close(held._locks[1])


def test_running_needs_a_lock_not_only_a_pointer(tmp_path: Path, run_folder: str) -> None:
    with pytest.raises(NotRunning):
        running(tmp_path / "s")
    held = claim(tmp_path / "s", ["control"], run_folder=run_folder)
    held.point(pointer(held.runtime))
    assert running(tmp_path / "s") == pointer(held.runtime)
    os.close(held._locks[0])
    with pytest.raises(NotRunning, match="modelwright up"):
        running(tmp_path / "s")
    os.close(held._locks[1])


def test_pointer_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / POINTER).write_bytes(b"{")
    assert read_pointer(tmp_path) is None
    (tmp_path / POINTER).write_bytes(msgspec.json.encode(pointer(tmp_path)))
    assert read_pointer(tmp_path) == pointer(tmp_path)


def test_runtime_folder_leaves_a_long_run_folder_for_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60)
    deep.mkdir()
    chosen = runtime_folder(tmp_path, ["serving-" + "m" * 30 + "-0"], run_folder=str(deep))
    assert chosen.parent == Path("/tmp")
    assert chosen.name.startswith(f"modelwright-{os.getuid()}-")


def test_name_that_fits_nowhere_is_refused_with_the_length_that_does(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"shorten the model's name to \d+ characters"):
        runtime_folder(tmp_path, ["serving-" + "m" * 63 + "-0"])


def test_two_manifests_never_share_a_folder(tmp_path: Path) -> None:
    assert runtime_folder(tmp_path / "a", []) != runtime_folder(tmp_path / "b", [])


def test_folder_that_is_a_link_is_refused(tmp_path: Path, run_folder: str) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    runtime_folder(tmp_path / "s", [], run_folder=run_folder).symlink_to(target)
    with pytest.raises(StartError, match="belongs to somebody else"):
        claim(tmp_path / "s", [], run_folder=run_folder)
