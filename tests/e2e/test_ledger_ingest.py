"""The ledger over real processes: whoever is killed when, every call has exactly one row."""

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.adapters.stores.spool import SpoolLedger
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.ids import uuid7
from tests.e2e.clients import ask, patient
from tests.e2e.control_part import ControlPart
from tests.e2e.running import Site, quickstart, running

pytestmark = pytest.mark.e2e
SEED = 20_240_607


@pytest.fixture
def part(tmp_path: Path) -> Iterator[ControlPart]:
    part = ControlPart(tmp_path)
    yield part
    part.close()


class Calls:
    """A gateway's worth of calls, written to the spool by the real writer until told to stop."""

    def __init__(self, folder: Path, number: int) -> None:
        self.wanted: dict[str, tuple[str, int]] = {}
        self._random = random.Random(SEED + number)
        self._spool = SpoolLedger(folder, part=f"gateway-{number}", boot=f"{number:08x}", rotate=40_000)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def stop(self) -> None:
        """As a killed process leaves it: some calls without outcome, the last line torn."""
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        running: list[LedgerRow] = []
        while not self._stop.wait(0.0005):
            row = LedgerRow(
                call=uuid7(int(time.time() * 1000), self._random.randbytes(10)),
                at=time.time(),
                operation="chat",
                endpoint="assistant",
                input_tokens=self._random.randrange(100),
            )
            self._spool.intent(row)
            self.wanted[row.call] = ("unresolved", row.input_tokens or 0)
            running.append(row)
            if len(running) > 5:
                ended = running.pop(self._random.randrange(len(running)))
                ended.outcome, ended.status = "ok", 200
                self._spool.outcome(ended)
                self.wanted[ended.call] = ("ok", ended.input_tokens or 0)
        self._spool.close()


def rows(state: Path) -> list[tuple[str, str, int]]:
    with closing(sqlite3.connect(state / "modelwright.db")) as database:
        return database.execute("SELECT call, outcome, input_tokens FROM ledger").fetchall()


def test_killing_control_again_and_again_loses_and_doubles_nothing(part: ControlPart) -> None:
    chance = random.Random(SEED)
    writers = [Calls(part.state / "spool", number) for number in range(2)]
    try:
        for _ in range(6):
            life = part.start()
            life.wait_until_ready()
            threading.Event().wait(chance.uniform(0, 0.7))
            life.kill()
    finally:
        for writer in writers:
            writer.stop()
    wanted = writers[0].wanted | writers[1].wanted
    life = part.start()
    life.wait_until_ready()
    status, _ = life.stop()
    assert status == 0
    found = rows(part.state)
    assert len(found) == len(wanted) > 1000, f"seed {SEED}"
    assert {call: (outcome, tokens) for call, outcome, tokens in found} == wanted
    assert sum(outcome == "unresolved" for _, outcome, _ in found) == 10, "as many as were under way"
    assert not list((part.state / "spool").glob("*.jsonl"))
    assert not (part.state / "spool" / "rejected").exists()


def test_what_is_no_row_is_set_aside_with_a_warning(part: ControlPart) -> None:
    good = msgspec.json.encode(LedgerRow(call="1", at=1.0, operation="chat", endpoint="a", outcome="ok"))
    (part.state / "spool" / "gateway-0-1-a.jsonl").write_bytes(b"\x00\x00\n" + good + b'\n{"call":"2","at":1.0,"oper')
    life = part.start()
    life.wait_until_ready()
    patient(lambda: not list((part.state / "spool").glob("*.jsonl")), waiting_for="the spool")
    _, out = life.stop()
    assert rows(part.state) == [("1", "ok", None)]
    (kept,) = (part.state / "spool" / "rejected").iterdir()
    assert kept.read_bytes() == b'\x00\x00\n{"call":"2","at":1.0,"oper\n'
    (warning,) = [line for line in out.splitlines() if '"warning"' in line]
    assert "2 of 3 lines of gateway-0-1-a.jsonl" in warning


def test_a_locked_database_makes_the_ledger_wait_and_loses_nothing(part: ControlPart) -> None:
    life = part.start()
    life.wait_until_ready()
    other = sqlite3.connect(part.state / "modelwright.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    line = msgspec.json.encode(LedgerRow(call="1", at=1.0, operation="chat", endpoint="a", outcome="ok"))
    (part.state / "spool" / "gateway-0-1-a.jsonl").write_bytes(line + b"\n")

    def behind() -> bool:
        return b"modelwright_ledger_behind 1.0" in ask(part.socket, "/metrics").body

    patient(behind, waiting_for="the trouble to be seen")
    assert ask(part.socket, "/keys", method="POST", body=b'{"name":"a"}').status == 503
    other.execute("ROLLBACK")
    other.close()
    patient(lambda: rows(part.state) == [("1", "ok", None)], waiting_for="the row")
    patient(lambda: not behind(), waiting_for="the trouble to be over")
    assert ask(part.socket, "/keys", method="POST", body=b'{"name":"a"}').status == 201
    _, out = life.stop()
    assert out.count("cannot be taken in now") == 1, "told once"


def test_control_that_cannot_start_says_why(part: ControlPart) -> None:
    (part.state / "modelwright.db").write_bytes(b"this is no database" * 300)
    life = part.start()
    notice = msgspec.json.decode(life.wait_until_ready())
    assert (notice["state"], notice["fatal"]) == ("failed", True)
    assert "damaged" in notice["detail"]
    assert "backup" in notice["detail"]
    assert life.end()[0] == 1


def test_serials_go_up_over_restarts_and_lost_files(part: ControlPart) -> None:
    seen: list[int] = []
    for base in (1, 1, 40, 1):
        part.base(serial=base)
        (part.runtime / "snapshot.json").unlink(missing_ok=True)
        life = part.start()
        life.wait_until_ready()
        seen.append(part.snapshot().serial)
        assert life.stop()[0] == 0
    assert seen == sorted(set(seen))
    assert seen[2] > 40


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(quickstart(tmp_path_factory.mktemp("ledger"))) as running_site:
        yield running_site


def ledger(site: Site, target: str = "/ledger") -> Any:
    answer = ask(site.runtime / "control.sock", target)
    assert answer.status == 200, answer
    return msgspec.json.decode(answer.body)


def test_calls_stand_in_the_ledger_and_in_its_summary(site: Site) -> None:
    asked = msgspec.json.decode((site.manifest.parent / "sum.json").read_bytes())
    sum_of = msgspec.json.encode({"model": "chat", **asked})
    seven = (site.manifest.parent / "seven.json").read_bytes()
    calls = [site.call("POST", "/v1/chat/completions", sum_of) for _ in range(2)]
    calls.append(site.call("POST", "/v2/models/digits/infer", seven))
    assert {call.status for call in calls} == {200}
    usage = [call.json()["usage"] for call in calls[:2]]
    ids = [call.headers["x-modelwright-call"] for call in calls]
    patient(lambda: {row["call"] for row in ledger(site)} >= set(ids), waiting_for="the rows")
    (row,) = ledger(site, f"/ledger?call={ids[0]}")
    assert (row["operation"], row["endpoint"], row["outcome"], row["status"]) == ("chat", "chat", "ok", 200)
    assert row["key"] == site.key.split("-")[1]
    assert (row["input_tokens"], row["output_tokens"]) == (usage[0]["prompt_tokens"], usage[0]["completion_tokens"])
    newest = [row["call"] for row in ledger(site, "/ledger?limit=3&outcome=ok")]
    assert newest == sorted(ids, reverse=True)
    totals = {(row["endpoint"], row["outcome"]): row for row in ledger(site, "/ledger/summary")}
    assert totals["digits", "ok"]["calls"] == 1
    assert totals["chat", "ok"]["calls"] == 2
    assert totals["chat", "ok"]["output_tokens"] == sum(one["completion_tokens"] for one in usage)


def test_a_drain_leaves_no_row_behind(tmp_path: Path) -> None:
    with running(quickstart(tmp_path)) as site:
        seven = (site.manifest.parent / "seven.json").read_bytes()
        answers = [site.call("POST", "/v2/models/digits/infer", seven) for _ in range(25)]
        assert site.stop() == 0
    ids = {answer.headers["x-modelwright-call"] for answer in answers}
    assert {call for call, outcome, _ in rows(site.state) if outcome == "ok"} == ids
    assert not list((site.state / "spool").glob("*.jsonl"))
