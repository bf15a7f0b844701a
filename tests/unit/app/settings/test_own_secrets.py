import threading
from pathlib import Path

import pytest

from modelwright.app.settings.own_secrets import pepper, read_or_create, salt
from modelwright.core.errors.starting import StartError


def test_a_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    state = tmp_path / "deep" / ".modelwright"
    made = pepper(state)
    assert len(bytes.fromhex(made.decode())) == 32
    assert pepper(state) == made
    assert salt(state) != made.decode()
    assert {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()} == {"pepper": 0o600, "salt": 0o600}
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_configured_pepper_goes_before_the_file(tmp_path: Path) -> None:
    assert pepper(tmp_path, configured=" 0123456789abcdef\n") == b"0123456789abcdef"
    assert list(tmp_path.iterdir()) == []


def test_a_pepper_means_the_same_wherever_it_stands(tmp_path: Path) -> None:
    made = pepper(tmp_path)
    assert pepper(tmp_path / "elsewhere", configured=(tmp_path / "pepper").read_text()) == made


def test_a_short_pepper_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="MODELWRIGHT_PEPPER is shorter than 16") as refused:
        pepper(tmp_path, configured="short")
    assert "openssl" in refused.value.hint
    assert "short " not in refused.value.hint


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\xff\xfe"])
def test_a_file_without_a_secret_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pepper"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StartError, match="holds no secret") as refused:
        pepper(tmp_path)
    assert "backup" in refused.value.hint
    assert path.read_bytes() == content


def test_a_file_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    pepper(tmp_path)
    (tmp_path / "pepper").chmod(0o644)
    with pytest.raises(StartError, match="can be read by every user") as refused:
        pepper(tmp_path)
    assert "chmod 600" in refused.value.hint


def test_processes_that_come_at_once_get_the_same(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(read_or_create(tmp_path / "salt"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["salt"]
