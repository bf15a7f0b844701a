"""What a build is given is the same wherever its files are, and holds nothing that was to be left out."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from modelwright.adapters.images.commits import public
from modelwright.adapters.images.context import pack
from modelwright.core.errors.deploying import BuildFailed


def project(folder: Path, *, at: int) -> Path:
    for name, text in {"main.py": "x", "pkg/a.py": "y", ".env": "KEY=1", ".env.example": "KEY="}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        os.utime(folder / name, (at, at))
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("main.py")
    return folder


def packed(folder: Path, out: Path, *, ignore: str = ".env*\n!.env.example\n", dockerfile: str = "FROM x\n") -> str:
    return pack(folder, {"made.txt": b"made"}, ignore=ignore, dockerfile=dockerfile, out=out)


def test_it_is_the_same_from_another_checkout(tmp_path: Path) -> None:
    one, two = project(tmp_path / "a", at=1_000_000_000), project(tmp_path / "b", at=1_700_000_000)
    assert packed(one, tmp_path / "1.tar") == packed(two, tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    with tarfile.open(tmp_path / "1.tar") as archive:
        modes = {member.name: oct(member.mode) for member in archive.getmembers()}
    assert modes == {
        "Dockerfile": "0o644",
        "made.txt": "0o644",
        ".env.example": "0o644",
        "link": "0o644",
        "main.py": "0o644",
        "pkg/a.py": "0o644",
        "run.sh": "0o755",
    }


@pytest.mark.parametrize("change", ["content", "mode", "link", "new", "dockerfile"])
def test_whatever_counts_changes_its_digest(change: str, tmp_path: Path) -> None:
    folder = project(tmp_path / "a", at=1)
    before = packed(folder, tmp_path / "1.tar")
    dockerfile = "FROM y\n" if change == "dockerfile" else "FROM x\n"
    if change == "content":
        (folder / "main.py").write_text("z")
    elif change == "mode":
        (folder / "main.py").chmod(0o755)
    elif change == "link":
        (folder / "link").unlink()
        (folder / "link").symlink_to("pkg/a.py")
    elif change == "new":
        (folder / "new.py").write_text("")
    assert packed(folder, tmp_path / "2.tar", dockerfile=dockerfile) != before


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = project(tmp_path / "a", at=1)
    (folder / "dead").symlink_to("nowhere")
    assert packed(folder, tmp_path / "1.tar")
    with pytest.raises(BuildFailed, match="gone"):
        pack(tmp_path / "gone", {}, ignore="", dockerfile="", out=tmp_path / "2.tar")


def test_a_source_is_told_without_what_opens_it() -> None:
    assert public("https://user:token@example.com/kb.git?x=1") == "https://example.com/kb.git"
    assert public("git@example.com:kb.git") == "git@example.com:kb.git"
    assert public("ssh://git:token@example.com:22/kb.git") == "ssh://git@example.com:22/kb.git"
    assert public("/srv/git/kb.git") == ""
