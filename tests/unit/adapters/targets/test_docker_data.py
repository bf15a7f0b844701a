"""A database in a container whose engine says what it likes, and goes away when it likes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from docker.errors import APIError

from modelwright.adapters.targets.docker import inside
from modelwright.adapters.targets.docker.data import DockerData
from modelwright.adapters.targets.docker.names import Names
from modelwright.core.errors.backups import BackupError
from modelwright.core.errors.deploying import StepFailed
from modelwright.core.ports.deploying.data import Database

Answer = tuple[bytes, int | None]
"""What comes of a program, and its status."""
Say = Callable[..., tuple[DockerData, "Api"]]


def _frame(kind: int, content: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(content).to_bytes(4) + content


class Api:
    """One answer after the other."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.status: int | None = None

    def inspect_container(self, _: str) -> Any:
        return {"State": {"Running": True}}

    def exec_create(self, _: str, words: list[str], *, stdin: bool) -> Any:
        del stdin
        if not self.answers:
            raise APIError("gone")
        self.asked.append(" ".join(words[4:]))
        return {"Id": "1"}

    def exec_start(self, _: str, *, socket: bool) -> bytes:
        del socket
        said, self.status = self.answers.pop(0)
        return said

    def exec_inspect(self, _: str) -> Any:
        return {"ExitCode": self.status}


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    def plain(said: bytes) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(said)
        return ours

    def say(*answers: Answer) -> tuple[DockerData, Api]:
        api = Api([*answers])
        return DockerData(api, Names("kb", "test"), unwanted=Event()), api  # type: ignore[arg-type]

    monkeypatch.setattr(inside, "plain_socket", plain)
    return say


def test_a_warning_is_no_answer(say: Say) -> None:
    data, _ = say((_frame(2, b"WARNING: collation version mismatch") + _frame(1, b"16|3\n"), 0))
    assert data.look("postgres") == Database(version=16, tables=3)


def test_a_database_that_stayed_shut_is_opened(say: Say) -> None:
    data, api = say((_frame(2, b"is not accepting connections"), 2), (b"", 0), (_frame(1, b"16|3\n"), 0))
    assert data.look("postgres") == Database(version=16, tables=3)
    assert api.asked[1].endswith("--dbname postgres")


def test_one_that_cannot_be_asked_is_told(say: Say) -> None:
    data, _ = say(*[(_frame(2, b"starting up"), 2)] * 3)
    with pytest.raises(BackupError, match="postgres cannot be asked: starting up"):
        data.look("postgres")


def test_an_output_that_ended_between_two_pieces_is_whole(say: Say) -> None:
    data, _ = say((_frame(1, b"PGDMP") + _frame(1, b"more"), 0))
    assert b"".join(data.dump("postgres")) == b"PGDMPmore"


@pytest.mark.parametrize("cut", [3, 8, 10])
def test_an_output_that_ended_within_a_piece_is_none(say: Say, cut: int) -> None:
    data, _ = say((_frame(1, b"PGDMP") + _frame(1, b"more")[:cut], 0))
    with pytest.raises(StepFailed, match="postgres cannot be reached: cut off"):
        list(data.dump("postgres"))


def test_an_engine_that_refuses_is_told(say: Say) -> None:
    data, _ = say()
    with pytest.raises(StepFailed, match="postgres cannot be reached: gone"):
        list(data.dump("postgres"))
