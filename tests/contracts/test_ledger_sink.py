"""Every ledger sink keeps rows in order, refuses intents that it cannot write, and never loses or blocks an outcome."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from modelwright.adapters.stores.memory_ledger import MemoryLedger
from modelwright.adapters.stores.spool import SpoolLedger
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import LedgerUnavailable
from modelwright.core.ports.stores import LedgerSink


class Member(Protocol):
    """A sink, what it has kept, and how it is broken."""

    @property
    def sink(self) -> LedgerSink: ...

    def lines(self) -> list[LedgerRow]: ...

    def fill(self) -> None:
        """Nothing more can be written."""
        ...

    def free(self) -> None:
        """Now it can."""
        ...

    def tend(self) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self.sink = MemoryLedger()
        self.tend = self.sink.tend

    def lines(self) -> list[LedgerRow]:
        return self.sink.lines

    def fill(self) -> None:
        self.sink.full = True

    def free(self) -> None:
        self.sink.full = False


class OnDisk:
    """Full when the process may write no larger file: the kernel then refuses the bytes beyond, as on a full disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sink = SpoolLedger(folder, part="gateway-0", boot="b00t")
        self.tend = self.sink.tend

    def lines(self) -> list[LedgerRow]:
        found = b"".join(path.read_bytes() for path in sorted(self._folder.glob("*.jsonl")))
        return [msgspec.json.decode(line, type=LedgerRow) for line in found.splitlines()]

    def fill(self) -> None:
        size = max((path.stat().st_size for path in self._folder.glob("*.jsonl")), default=0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture(params=["memory", "spool"])
def member(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Member]:
    if request.param == "memory":
        yield InMemory()
        return
    member = OnDisk(tmp_path / "spool")
    yield member
    member.free()
    member.sink.close()


def row(call: str, **fields: object) -> LedgerRow:
    known = LedgerRow(call=call, at=1_700_000_000.25, operation="chat", endpoint="chat", tags={"a": "ü\n"})
    return msgspec.structs.replace(known, **fields)


def test_rows_are_kept_as_they_were_when_they_were_written(member: Member) -> None:
    one = row("1")
    member.sink.intent(one)
    one.outcome, one.status, one.output_tokens = "ok", 200, 7
    member.sink.outcome(one)
    member.sink.outcome(row("2", outcome="refused"))
    assert [(line.call, line.outcome) for line in member.lines()] == [("1", "intent"), ("1", "ok"), ("2", "refused")]
    assert member.lines()[1] == one
    assert member.lines()[0].output_tokens is None


def test_an_intent_that_cannot_be_written_is_refused_and_leaves_nothing(member: Member) -> None:
    member.sink.intent(row("1"))
    member.fill()
    with pytest.raises(LedgerUnavailable) as caught:
        member.sink.intent(row("2"))
    assert caught.value.hint
    assert caught.value.retry_after
    member.free()
    member.sink.intent(row("3"))
    assert [line.call for line in member.lines()] == ["1", "3"]


def test_an_outcome_that_cannot_be_written_waits(member: Member) -> None:
    member.sink.intent(row("1"))
    member.fill()
    member.sink.outcome(row("1", outcome="ok"))
    member.sink.outcome(row("0", outcome="refused"))
    assert [line.outcome for line in member.lines()] == ["intent"]
    member.tend()
    member.free()
    member.tend()
    assert [(line.call, line.outcome) for line in member.lines()] == [("1", "intent"), ("1", "ok"), ("0", "refused")]


def test_what_waits_is_written_before_what_comes_later(member: Member) -> None:
    member.sink.intent(row("1"))
    member.fill()
    member.sink.outcome(row("1", outcome="ok"))
    member.free()
    member.sink.intent(row("2"))
    member.sink.outcome(row("2", outcome="ok"))
    assert [line.call for line in member.lines()] == ["1", "1", "2", "2"]
