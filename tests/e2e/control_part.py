"""Control alone, started as the supervisor starts it, for tests that kill it more often than a supervisor would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.core.contracts.snapshot import Snapshot


class ControlPart:
    """A folder in which control can run, its sockets held open between its lives."""

    def __init__(self, folder: Path) -> None:
        self.runtime = folder / "run"
        self.state = folder / ".modelwright"
        for made in (self.runtime, self.state / "spool"):
            made.mkdir(parents=True)
        self.socket = self.runtime / "control.sock"
        self._own = socket.socket(socket.AF_UNIX)
        self._own.bind(str(self.socket))
        self._own.listen()
        self.base()

    def base(self, **fields: object) -> None:
        """Write what the supervisor writes."""
        known = {"serial": 1, "name": "site", "environment": "development", "manifest": "sha256:m", "release": ""}
        rest = {"auth": "required", "split_salt": "00", "max_body": 1 << 20, "max_in_flight": 8}
        snapshot = msgspec.convert(known | rest | fields, Snapshot)
        (self.runtime / "base.json").write_bytes(msgspec.json.encode(snapshot))

    def snapshot(self) -> Snapshot:
        return msgspec.json.decode((self.runtime / "snapshot.json").read_bytes(), type=Snapshot)

    def start(self) -> ControlLife:
        """One life of control."""
        return ControlLife(self, self._own)

    def close(self) -> None:
        self._own.close()


class ControlLife:
    """A running control process."""

    def __init__(self, part: ControlPart, own: socket.socket) -> None:
        ears, mouth = os.pipe()
        orphaned, self._lifeline = os.pipe()
        spec = PartSpec(
            name="control",
            kind="control",
            runtime=str(part.runtime),
            state=str(part.state),
            base=str(part.state.parent),
            environment="development",
            sockets={"own": own.fileno()},
            lifeline=orphaned,
            notify=mouth,
        )
        file = part.runtime / "control.spec.json"
        file.write_bytes(msgspec.json.encode(spec))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "modelwright.app.workers.control", str(file)],
            pass_fds=(own.fileno(), orphaned, mouth),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        os.close(mouth)
        os.close(orphaned)
        self._ears = os.fdopen(ears, "rb")

    def wait_until_ready(self) -> str:
        """Until it has said ready or failed; its last word."""
        notice = b""
        for line in self._ears:
            notice = line
            if b'"starting"' not in line:
                break
        return notice.decode()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.end()

    def stop(self) -> tuple[int, str]:
        """Ask it to drain; its exit status and what it has printed."""
        self.process.terminate()
        return self.end()

    def end(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=60)
        self._ears.close()
        os.close(self._lifeline)
        return self.process.returncode, out.decode()
