"""Runs wrk and reads what it prints."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, kw_only=True)
class Load:
    """One run; latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    """Answers other than 2xx and 3xx, and connections that failed."""

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def wrk(
    url: str, *, connections: int, seconds: float, cpu: int, folder: Path, body: bytes = b"", headers: dict[str, str]
) -> Load:
    """A closed loop of POST requests (GET without a body) on loopback."""
    script = folder / "request.lua"
    (folder / "body").write_bytes(body)
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    if body:
        lines += [
            f'local file = io.open("{folder / "body"}", "rb")',
            'wrk.method = "POST"',
            'wrk.body = file:read("*a")',
        ]
    script.write_text("\n".join(lines) + "\n")
    options = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(script), url]
    ran = subprocess.run(
        ["taskset", "-c", str(cpu), "wrk", *options], capture_output=True, text=True, check=True, timeout=seconds + 30
    )
    return read(ran.stdout)


def read(text: str) -> Load:
    """What it has counted; raises ValueError."""
    done = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", text)
    if done is None:
        raise ValueError(f"wrk printed something else:\n{text}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Load(
        requests=int(done[1]),
        seconds=float(done[2]) * _UNITS[done[3]] / 1000,
        p50=_latency(text, "50%"),
        p99=_latency(text, "99%"),
        errors=(int(bad[1]) if bad else 0) + (sum(map(int, sockets.groups())) if sockets else 0),
    )


def _latency(text: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")
