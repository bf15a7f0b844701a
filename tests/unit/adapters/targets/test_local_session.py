"""A keeper's socket lies where its name can be guessed: who listens there is looked at before anything is said."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from modelwright.adapters.targets.kept import Entries
from modelwright.adapters.targets.local.session import SOCKET, Session
from modelwright.core.errors.deploying import TargetUnreachable

_LISTENS = """\
import os, socket, sys
place = socket.socket(socket.AF_UNIX)
place.bind(sys.argv[1])
os.setuid(65534)
place.listen()
print("listens", flush=True)
taken, _ = place.accept()
print(taken.recv(100), flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
async def test_nothing_is_said_to_a_keeper_that_is_somebody_elses(tmp_path: Path) -> None:
    words = (sys.executable, "-c", _LISTENS, str(tmp_path / SOCKET))
    other = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert other.stdout is not None
    assert await other.stdout.readline() == b"listens\n"
    with pytest.raises(TargetUnreachable, match="is somebody else's"):
        await Session(tmp_path, tmp_path, env={})(Entries(), object)
    assert await other.communicate() == (b"b''\n", None)
