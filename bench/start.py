"""Measures how long the quickstart takes from `modelwright up` to its first answers, and what it holds when idle."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.process import SERVER_CPU, free_port, modelwright, resident_mb, running, scratch, site

QUICKSTART = Path(__file__).resolve().parents[1] / "examples" / "quickstart"
RUNS = 5


def main() -> None:
    """Print seconds to the first answer of `digits` and of `chat`, and megabytes by part."""
    with scratch() as folder:
        manifest = folder / "quickstart" / "modelwright.yaml"
        shutil.copytree(QUICKSTART, manifest.parent, ignore=shutil.ignore_patterns(".modelwright", "__pycache__"))
        with site(manifest.read_text(), manifest.parent, cpu=SERVER_CPU) as first:  # makes the key and the database
            print(
                "idle memory, proportional set size: "
                + ", ".join(_memory(part, first.pid(part)) for part in first.running)
            )
        key = first.key
        taken = [_first_answers(manifest, key, folder / f"up-{number}.log") for number in range(RUNS)]
    for name in ("digits", "chat"):
        seconds = [run[name] for run in taken]
        print(
            f"first answer of {name}: median {statistics.median(seconds):.2f} s, "
            f"{min(seconds):.2f} to {max(seconds):.2f} s over {RUNS} starts"
        )
    helped = [_seconds(modelwright("--help")) for _ in range(RUNS)]
    print(f"modelwright --help: median {1000 * statistics.median(helped):.0f} ms")


def _memory(part: str, pid: int) -> str:
    return f"{part} {resident_mb(pid):.0f} MB"


def _first_answers(manifest: Path, key: str, log: Path) -> dict[str, float]:
    port = free_port()
    seven = (manifest.parent / "seven.json").read_bytes()
    chat = json.dumps({"model": "chat", **json.loads((manifest.parent / "sum.json").read_text())}).encode()
    begun = time.monotonic()
    command = modelwright("up", "-f", str(manifest), "--port", str(port), "--admin-port", "0")
    with running(command, cpu=None, log=log):
        base = f"http://127.0.0.1:{port}"
        return {
            "digits": _until_answered(f"{base}/v2/models/digits/infer", seven, key) - begun,
            "chat": _until_answered(f"{base}/v1/chat/completions", chat, key) - begun,
        }


def _until_answered(url: str, body: bytes, key: str) -> float:
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})  # noqa: S310 - loopback
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - loopback
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.01)
        else:
            return time.monotonic()
    raise TimeoutError(url)


def _seconds(command: list[str]) -> float:
    begun = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun
