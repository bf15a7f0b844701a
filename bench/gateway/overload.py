"""Measures the gateway at twice what it can do, in an open loop: how much is answered, how fast the rest is refused.

Once where the upstream is slow, so that the calls that a worker may hold (`max_in_flight`) are the bound; once where it
is as fast as can be, so that the worker's processor is. The peak is that of a closed loop in the same run.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from bench.gateway.calls import calls
from bench.gateway.sites import BODY, PATH, limited, made, upstream
from bench.load.open_loop import Told, open_loop
from bench.load.wrk import Load
from bench.process import (
    LOAD_CPU,
    SERVER_CPU,
    Site,
    free_port,
    modelwright,
    pin,
    running,
    scratch,
    site,
    wait_for,
    with_cpu,
)

SECONDS, OVER = 8.0, 2.0
HELD, SLOW = 256, "100ms"
CONNECTIONS = 4000


def main() -> None:
    """Print a row for each bound."""
    with scratch() as folder, ExitStack() as stack:
        slow, fast = free_port(), free_port()
        command = modelwright("dev-provider", "--port", str(slow), "--fault", f"slow@{SLOW}")
        stack.enter_context(running(command, cpu=LOAD_CPU, log=folder / "provider.log"))
        stack.enter_context(upstream(folder, port=fast))
        wait_for(f"http://127.0.0.1:{slow}/healthz")
        held = limited(slow, gateway=f"max_in_flight: {HELD}")
        sites = {
            f"{HELD} calls of {SLOW}": stack.enter_context(site(held, made(folder / "held"))),
            "processor": stack.enter_context(site(limited(fast, gateway="workers: 1"), made(folder / "free"))),
        }
        print(f"open loop, {OVER:g} × the peak, for {SECONDS:g} s; {CONNECTIONS} connections\n")
        heads = ("bound by", "peak/s", "answered", "of peak", "p50/p99 ms", "refused", "p50/p99 ms", "else", "CPU")
        print("| " + " | ".join((*heads, "load late")) + " |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for name, one in sites.items():
            pin(one.pid("gateway-0"), SERVER_CPU)
            _row(folder, name, one)


def _row(folder: Path, name: str, one: Site) -> None:
    calls(folder, one.public, one.key, connections=64, seconds=1)  # warm
    peak = max(_answered(calls(folder, one.public, one.key, connections=count, seconds=4)) for count in (64, HELD))
    told, cpu = with_cpu(lambda: _storm(folder, one, rate=OVER * peak), one.gateways)
    good, refused = told.counts.get(200, 0), told.counts.get(429, 0)
    print(
        f"| {name} | {peak:.0f} | {good} | {good / SECONDS / peak:.0%} | {_times(told, 200)} | {refused} | "
        f"{_times(told, 429)} | {told.rest(200, 429)} | {cpu / SECONDS:.0%} | {told.late:.0f} ms |",
        flush=True,
    )


def _answered(load: Load) -> float:
    """Successes per second."""
    return (load.requests - load.errors) / load.seconds


def _storm(folder: Path, one: Site, *, rate: float) -> Told:
    return open_loop(
        one.port,
        rate=rate,
        seconds=SECONDS,
        request=request_of(one.key),
        folder=folder,
        cpu=LOAD_CPU,
        connections=CONNECTIONS,
    )


def request_of(key: str) -> bytes:
    """The bytes of one chat completion."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-length: {len(BODY)}\r\n\r\n"
    return head.encode() + BODY


def _times(told: Told, status: int) -> str:
    return f"{told.within(status, 0):.0f}/{told.within(status, 1):.0f}"
