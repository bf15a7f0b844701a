"""What a site does not take in."""

from io import BytesIO
from pathlib import Path

import pytest

from modelwright.app.backups.archive import Head, Member, pyrage, write
from modelwright.app.backups.journeys import _Taken, put_back
from modelwright.app.backups.site import MEMORY
from modelwright.core.errors.backups import RestoreError


def test_nothing_of_a_target_s_environment_lies_here_before_it_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    with pytest.raises(RestoreError, match=r"file is of an environment on a target"):
        _Taken(folder, Path("file")).take(MEMORY, BytesIO(b"salt"))
    assert not folder.exists()


def test_it_is_refused_with_all_as_it_was(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(str(identity))
    head = Head(project="kb", environment="test", at=1.0, made_by="1", manifest="m", postgres=True, target=True)
    members = [Member(MEMORY, 2, [b"{}"]), *(Member(f"dump/{n}", 1 << 20, [bytes(1 << 20)]) for n in range(4))]
    write(head, members, to=tmp_path / "file", recipients=[identity.to_public()])
    site = tmp_path / "site"
    with pytest.raises(RestoreError, match="is of an environment on a target"):
        put_back(tmp_path / "file", site / "modelwright.yaml", environment="test", key=tmp_path / "key")
    assert list(site.iterdir()) == []
