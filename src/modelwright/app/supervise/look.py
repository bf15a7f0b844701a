"""What runs and how busy it is, asked of control; when control is away, of the supervisor's file and each worker."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from modelwright.app.secret_stores.handing import told_of
from modelwright.app.settings.settings import STATE
from modelwright.app.supervise.ask import ask
from modelwright.app.supervise.devices.runtime import running
from modelwright.core.errors.starting import NotRunning
from modelwright.core.status import Busy, PartStatus, Status

WITHIN = 2.0
"""Seconds that one process may take to answer."""


def state_of(manifest: Path) -> Path:
    """Where the state of a manifest is kept; the file itself is not read."""
    return manifest.absolute().parent / STATE


def look(state: Path) -> Status:
    """The status of what runs; raises NotRunning."""
    runtime = Path(running(state).runtime)
    return msgspec.structs.replace(_look(runtime), secrets=told_of(runtime))


def _look(runtime: Path) -> Status:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        answer = ask(runtime / "control.sock", "/status", within=WITHIN)
        if answer.status == 200:
            return msgspec.json.decode(answer.body, type=Status)
    try:
        status = msgspec.json.decode((runtime / "status.json").read_bytes(), type=Status)
    except (OSError, msgspec.MsgspecError) as error:
        raise NotRunning("it is just starting or stopping", hint="ask again in a moment") from error
    return msgspec.structs.replace(status, parts=tuple(with_numbers(part) for part in status.parts))


def with_numbers(part: PartStatus) -> PartStatus:
    """The part with the worker's own numbers, when it answers."""
    if not part.pid or not part.socket:
        return part
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        answer = ask(part.socket, "/status", within=WITHIN)
        if answer.status == 200:
            return msgspec.structs.replace(part, busy=msgspec.json.decode(answer.body, type=Busy))
    return part
