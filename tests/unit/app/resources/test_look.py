"""What this machine is found to have, and what control groups leave of it."""

from pathlib import Path

import pytest

from modelwright.app.resources.look import limits, look_at_machine


def test_this_machine_has_a_processor_and_memory() -> None:
    machine = look_at_machine(gpus=False)
    assert machine.cores > 0
    assert machine.threads >= 1
    assert machine.memory > 64 << 20
    assert machine.gpus == ()


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("own", "inner", "outer", "found"),
    [
        ("0::/a/b", {}, {}, (0.0, 0)),
        ("0::/a/b", {"cpu_max": "max 100000", "memory_max": "max"}, {}, (0.0, 0)),
        ("0::/a/b", {"cpu_max": "150000 100000", "memory_max": "1048576"}, {}, (1.5, 1 << 20)),
        ("0::/a/b", {"cpu_max": "400000 100000"}, {"cpu_max": "200000 100000", "memory_max": "99"}, (2.0, 99)),
    ],
)
def test_the_narrowest_group_counts(
    tmp_path: Path, own: str, inner: dict[str, str], outer: dict[str, str], found: tuple[float, int]
) -> None:
    group(tmp_path / "a", **outer)
    group(tmp_path / "a" / "b", **inner)
    (tmp_path / "own").write_text(own + "\n")
    assert limits(tmp_path, tmp_path / "own") == found


def test_inside_of_a_container_the_own_group_is_the_top(tmp_path: Path) -> None:
    group(tmp_path, cpu_max="50000 100000")
    (tmp_path / "own").write_text("0::/\n")
    assert limits(tmp_path, tmp_path / "own") == (0.5, 0)
    (tmp_path / "own").write_text("0::/../elsewhere\n")
    assert limits(tmp_path, tmp_path / "own") == (0.5, 0)


def test_groups_of_the_first_version_count_too(tmp_path: Path) -> None:
    group(tmp_path / "cpu,cpuacct", cpu_cfs_quota_us="300000", cpu_cfs_period_us="100000")
    group(tmp_path / "memory" / "docker" / "x", memory_limit_in_bytes="4096")
    (tmp_path / "own").write_text("4:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n")
    assert limits(tmp_path, tmp_path / "own") == (3.0, 4096)
    group(tmp_path / "cpu,cpuacct", cpu_cfs_quota_us="-1")
    assert limits(tmp_path, tmp_path / "own") == (0.0, 4096)


def test_a_system_without_groups_has_no_such_bound(tmp_path: Path) -> None:
    assert limits(tmp_path, tmp_path / "none") == (0.0, 0)
