"""Measures many API keys: start, memory, how long a change takes, and a look-up beside one in a dictionary."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from itertools import count
from pathlib import Path

from bench.process import free_port, modelwright, resident_mb, running, scratch
from modelwright.app.keys.table import FOLDER, open_table
from modelwright.core.contracts.snapshot import Key
from modelwright.core.keys import key_digest
from modelwright.core.wire.key_table import KeyTable
from tests.e2e.many_keys import PEPPER, fill, key_of

SIZES = (1_000, 1_000_000)
LOOKS = 20_000
CHANGES = 5
MANIFEST = """\
schema: 1
name: keys
providers: {dev: {kind: vllm, base_url: "http://127.0.0.1:9/v1"}}
endpoints: {assistant: {variants: {main: {provider: dev, model: m}}}}
"""
_numbers = count(500)


def main() -> None:
    """Print a line per size, the first with the keys in the snapshot itself."""
    for number in SIZES:
        with scratch() as folder:
            manifest = folder / "modelwright.yaml"
            manifest.write_text(MANIFEST)
            fill(folder / ".modelwright", number)
            first = _start(manifest, folder / "first.log")
            again = [_start(manifest, folder / f"again-{run}.log") for run in range(3)]
            _tell(number, first, again)
            _tell_look_ups(number, folder / ".modelwright")


def _tell(number: int, first: dict[str, float], again: list[dict[str, float]]) -> None:
    def median(name: str) -> float:
        return statistics.median(run[name] for run in again)

    print(
        f"{number:,} keys: first start {first['start']:.2f} s, later {median('start'):.2f} s; "
        f"gateway {median('gateway'):.0f} MB, control {median('control'):.0f} MB "
        f"(after the first start {first['gateway']:.0f} and {first['control']:.0f}); "
        f"a key is made in {1000 * median('make'):.0f} ms and dead in {1000 * median('revoke'):.0f} ms",
        flush=True,
    )


def _tell_look_ups(number: int, state: Path) -> None:
    for path in sorted((state / FOLDER).glob("*.table"))[-1:]:
        table, plain, digest = _look_ups(open_table(path), number)
        print(
            f"  look-up of {LOOKS:,} keys, CPU: {table:.1f} µs in the table of {path.stat().st_size >> 20} MiB, "
            f"{plain:.2f} µs in a dictionary of as many digests; the digest itself, once per key, {digest:.1f} µs"
        )


def _start(manifest: Path, log: Path) -> dict[str, float]:
    """Seconds until a key is answered, megabytes by part, seconds that a change takes."""
    port = free_port()
    command = modelwright("up", "-f", str(manifest), "--port", str(port), "--admin-port", "0")
    begun = time.monotonic()
    with running(["env", f"MODELWRIGHT_PEPPER={PEPPER}", *command], cpu=None, log=log):
        while _status(port, key_of(1)[1]) != 200:
            time.sleep(0.01)
        started = time.monotonic() - begun
        changed = _changes(manifest.parent / ".modelwright")
        told = subprocess.run(modelwright("status", "-f", str(manifest), "--json"), capture_output=True, check=True)
        memory = {part["kind"]: resident_mb(part["pid"]) for part in json.loads(told.stdout)["parts"] if part["pid"]}
        return {"start": started, **changed, **memory}


def _changes(state: Path) -> dict[str, float]:
    """Seconds until a new key is known, and a revoked one dead, at the gateway."""
    socket = str(Path(json.loads((state / "run.json").read_bytes())["runtime"], "control.sock"))
    while _control(socket, "GET", "/status") == 503:
        time.sleep(0.05)
    begun = time.monotonic()
    for _ in range(CHANGES):
        wish = json.dumps({"name": f"bench-{next(_numbers)}"})
        _control(socket, "POST", "/keys", "-H", "content-type: application/json", "-d", wish)
    made = time.monotonic()
    for _ in range(CHANGES):
        _control(socket, "DELETE", f"/keys/{key_of(next(_numbers))[0]}")
    revoked = time.monotonic()
    return {"make": (made - begun) / CHANGES, "revoke": (revoked - made) / CHANGES}


def _look_ups(table: KeyTable, number: int) -> tuple[float, float, float]:
    """CPU microseconds of one look-up in the table, in a dictionary, and of making a digest."""
    texts = [key_of(each * (number // LOOKS))[1] for each in range(LOOKS)]
    begun = time.process_time()
    digests = [key_digest(PEPPER.encode(), text) for text in texts]
    made = time.process_time()
    for digest in digests:
        table.get(digest)
    found = time.process_time()
    key = Key(id="", digest="")
    plain = {each.to_bytes(32, "big").hex(): key for each in range(number)} | dict.fromkeys(digests, key)
    before = time.process_time()
    for digest in digests:
        plain.get(digest)
    after = time.process_time()
    micro = 1e6 / LOOKS
    return (found - made) * micro, (after - before) * micro, (made - begun) * micro


def _status(port: int, key: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _control(socket: str, method: str, path: str, *options: str) -> int:
    """The status of control's answer."""
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, "--unix-socket", socket]
    done = subprocess.run([*command, *options, f"http://control{path}"], capture_output=True, check=True)
    return int(done.stdout)
