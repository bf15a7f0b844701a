import fcntl
import logging
import os
from pathlib import Path

import pytest

from modelwright.adapters.stores import spool
from modelwright.adapters.stores.spool import SpoolLedger
from modelwright.adapters.stores.spool_reader import read_lines, writer_of
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import LedgerUnavailable


def row(call: str, outcome: str = "intent") -> LedgerRow:
    return LedgerRow(call=call, at=1.0, operation="chat", endpoint="chat", outcome=outcome)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_the_first_row_makes_a_private_locked_file_named_after_its_writer(tmp_path: Path) -> None:
    ledger = SpoolLedger(tmp_path / "deep" / "spool", part="gateway-3", boot="b1")
    assert not (tmp_path / "deep").exists()
    ledger.intent(row("1"))
    (path,) = files(tmp_path / "deep" / "spool")
    assert path.name == f"gateway-3-{os.getpid()}-b1.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert locked(path)
    ledger.close()
    assert not locked(path)


def test_a_full_file_is_followed_by_another_of_the_same_writer(tmp_path: Path) -> None:
    ledger = SpoolLedger(tmp_path, part="gateway-0", boot="b1", rotate=1000)
    for number in range(60):
        ledger.intent(row(str(number)))
        assert sum(locked(path) for path in files(tmp_path)) == 1
    ledger.close()
    names = [path.name for path in files(tmp_path)]
    assert len(names) > 3
    assert len({writer_of(name) for name in names}) == 1
    found = [line for path in files(tmp_path) for line in read_lines(path.read_bytes(), ended=False).rows]
    assert sorted(int(line.call) for line in found) == list(range(60))
    assert all(path.stat().st_size < 1200 for path in files(tmp_path))


def test_a_file_that_cannot_be_rotated_takes_rows_all_the_same(tmp_path: Path) -> None:
    ledger = SpoolLedger(tmp_path, part="gateway-0", boot="b1", rotate=100)
    ledger.intent(row("1"))
    first = files(tmp_path)[0]
    (tmp_path / f"{first.stem}.1.jsonl").mkdir()
    ledger.intent(row("2"))
    assert [line.call for line in read_lines(first.read_bytes(), ended=False).rows] == ["1", "2"]
    ledger.intent(row("3"))
    ledger.close()


def test_a_deleted_file_is_replaced_when_it_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = SpoolLedger(tmp_path, part="gateway-0", boot="b1")
    ledger.intent(row("1"))
    files(tmp_path)[0].unlink()
    with caplog.at_level(logging.ERROR):
        ledger.tend()
    assert "was deleted while in use" in caplog.text
    ledger.intent(row("2"))
    (path,) = files(tmp_path)
    assert [line.call for line in read_lines(path.read_bytes(), ended=False).rows] == ["2"]
    ledger.close()


def test_a_folder_that_cannot_be_made_refuses_intents_and_counts(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    ledger = SpoolLedger(tmp_path / "spool", part="gateway-0", boot="b1")
    with pytest.raises(LedgerUnavailable, match="cannot be written"):
        ledger.intent(row("1"))
    ledger.outcome(row("1", "refused"))
    assert (ledger.intent_failures, ledger.outcome_failures, ledger.waiting) == (1, 1, 1)
    (tmp_path / "spool").unlink()
    ledger.tend()
    assert ledger.waiting == 0
    ledger.close()


def test_what_waits_too_long_is_given_up_loudly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "spool").write_text("in the way")
    ledger = SpoolLedger(tmp_path / "spool", part="gateway-0", boot="b1")
    with caplog.at_level(logging.CRITICAL):
        for number in range(spool.WAITING + 3):
            ledger.outcome(row(str(number), "refused"))
    assert (ledger.waiting, ledger.lost) == (spool.WAITING, 3)
    assert '"call":"0"' in caplog.text
    ledger.close()
    assert f"{spool.WAITING} outcomes could not be written" in caplog.text


def test_nothing_is_left_open_by_a_ledger_without_rows(tmp_path: Path) -> None:
    ledger = SpoolLedger(tmp_path, part="gateway-0", boot="b1")
    ledger.tend()
    ledger.close()
    assert files(tmp_path) == []
