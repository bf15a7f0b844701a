import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.events import (
    CATALOGUE,
    AttemptFailed,
    Event,
    ModelLoaded,
    PartChanged,
    RequestFinished,
    SnapshotRefused,
)
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.observe.lines import EventLines, LineWriter, level_of
from modelwright.observe.logging import configure_logging


def finished(*, status: int = 200, error: str = "", call: LedgerRow | None = None) -> RequestFinished:
    return RequestFinished(
        at=1.5, method="POST", path="/x", status=status, duration_ms=2.5, client="192.0.2.1", error=error, call=call
    )


ROW = LedgerRow(call="c", at=1.5, operation="chat", endpoint='a"b\nü', outcome="ok", status=200)


def test_a_line_is_one_json_object_with_part_and_level_first() -> None:
    events: list[Event] = [
        finished(call=ROW),
        finished(status=404, error="unknown_path"),
        ModelLoaded(at=2.0, model="m", engine="e", digest="d", load_ms=1.0, warmup_ms=2.0),
    ]
    lines = EventLines('gate"way').encode(events).splitlines()
    told = [json.loads(line) for line in lines]
    assert [list(line)[:3] for line in told] == [["part", "level", "event"]] * 3
    assert [line["event"] for line in told] == ["request_finished", "request_finished", "model_loaded"]
    assert {line["part"] for line in told} == {'gate"way'}
    assert told[0]["call"]["endpoint"] == 'a"b\nü'
    assert told[1]["call"] is None


def test_every_event_of_the_catalogue_has_a_line() -> None:
    row = LedgerRow(call="c", at=1.0, operation="chat", endpoint="e")
    samples: dict[Any, Any] = {bool: True, int: 1, float: 1.0, str: "x", LedgerRow: row}
    for kind in CATALOGUE:
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        event = kind(**{name: samples[type_] for name, type_ in fields.items() if type_ in samples})
        (line,) = EventLines("p").encode([event]).splitlines()
        assert json.loads(line)["event"] == kind.__struct_config__.tag


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (finished(), "info"),
        (finished(status=404, error="unknown_path"), "warning"),
        (finished(status=502, error="provider_error"), "error"),
        (finished(error="client_disconnect"), "warning"),
        (AttemptFailed(at=1.0, attempt=LedgerRow(call="c.1", at=1.0, operation="chat", endpoint="e")), "warning"),
        (SnapshotRefused(at=1.0, problem="p"), "error"),
        (PartChanged(at=1.0, part="p", state="ready"), "info"),
        (PartChanged(at=1.0, part="p", state="died"), "error"),
    ],
)
def test_levels_say_who_should_look(event: Event, level: str) -> None:
    assert level_of(event) == level


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        try:
            os.close(end)
        except OSError:
            continue


def test_lines_arrive_whole_and_in_order(pipe: tuple[int, int]) -> None:
    read, write = pipe
    writer = LineWriter(write)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.extend(os.fdopen(read, "rb", closefd=False)))
    reader.start()
    for number in range(2000):
        writer.write(b"line %d %s\n" % (number, b"x" * 200))
    writer.close()
    os.close(write)
    reader.join()
    assert [line.split()[1] for line in heard] == [b"%d" % number for number in range(2000)]
    assert writer.dropped == 0


def test_a_reader_that_stands_still_stops_nobody_and_costs_the_oldest_lines(pipe: tuple[int, int]) -> None:
    _, write = pipe
    writer = LineWriter(write, held=100_000)
    for number in range(5000):
        writer.write(b"%04d " % number + b"x" * 95 + b"\n")
    assert writer.dropped >= 3000
    writer.close(timeout=0.01)


def test_a_reader_that_is_gone_is_counted(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.close(read)
    writer = LineWriter(write)
    writer.write(b"one\ntwo\n")
    writer.close()
    assert writer.dropped == 2


def test_a_line_that_was_torn_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        reader_gone = os.open("/dev/full", os.O_WRONLY)
        kept = os.dup(file.fileno())
        writer = LineWriter(kept)
        writer.write(b"first\n")
        _until(lambda: path.read_bytes() == b"first\n")
        os.dup2(reader_gone, kept)
        writer.write(b"lost\n")
        _until(lambda: writer.dropped == 1)
        os.dup2(file.fileno(), kept)
        writer.write(b"later\n")
        writer.close()
        os.close(kept)
        os.close(reader_gone)
    assert path.read_bytes() == b"first\n\nlater\n"


@pytest.fixture
def logged() -> Iterator[list[bytes]]:
    """Free text as it would be written; the loggers are put back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    lines: list[bytes] = []
    configure_logging("gateway-0", write=lines.append)
    yield lines
    root.handlers[:] = before
    root.setLevel(level)


def test_free_text_is_a_line_like_the_others(logged: list[bytes]) -> None:
    logging.getLogger("modelwright.x").warning("%d things in %s", 3, "Zürich\n")
    (line,) = logged
    told = json.loads(line)
    assert (told["part"], told["level"], told["event"]) == ("gateway-0", "warning", "log")
    assert (told["message"], told["logger"]) == ("3 things in Zürich\n", "modelwright.x")
    assert line.count(b"\n") == 1


def test_an_exception_tells_where_but_not_what_variables_held(logged: list[bytes]) -> None:
    secret = "sk-" + "planted"
    try:
        _ = {"key": secret}["other"]
    except KeyError:
        logging.getLogger("modelwright.x").exception("it failed")
    (line,) = logged
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("error", "it failed")
    assert "KeyError: 'other'" in told["exception"]
    assert "test_lines.py" in told["exception"]
    assert secret not in line.decode()


def test_libraries_do_not_tell_of_their_ordinary_life(logged: list[bytes]) -> None:
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("asyncio").debug("Using selector")
    assert logged == []


def _until(done: object) -> None:
    pause = threading.Event()
    for _ in range(500):
        if done():  # type: ignore[operator]
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")
