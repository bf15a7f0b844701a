"""Measures calls: direct, through nginx `proxy_pass` with keep-alive, and through Modelwright, in one run.

The upstream is a second nginx that answers a fixed chat completion of about 600 bytes. The proxy under test has one
processor, upstream and load the other. Modelwright runs as users run it: keys, ledger, metrics and logs on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.gateway.sites import ANSWER, BODY, GUARD, KEPT, PATH, limited, made, manifest, proxy, upstream
from bench.load.wrk import Load, wrk
from bench.process import LOAD_CPU, SERVER_CPU, Site, children, free_port, pin, resident_mb, scratch, site, with_cpu

SECONDS, SINGLE = 5, 3


class Row(NamedTuple):
    """What is measured."""

    name: str
    url: str
    key: str = "none"
    pids: Sequence[int] = ()
    """Whose processor time counts; none: of nobody."""


def main() -> None:
    """Print the table."""
    with scratch() as folder, ExitStack() as stack:
        up, door = free_port(), free_port()
        stack.enter_context(upstream(folder, port=up))
        nginx = stack.enter_context(proxy(folder, "proxy", port=door, to=up))
        texts = {
            "modelwright": manifest(up),
            "+ limits": limited(up),
            "+ guards": limited(up, endpoint=GUARD),
            "cache hits": manifest(up, endpoint=KEPT),
        }
        sites = {name: stack.enter_context(site(text, made(folder / name.strip("+ ")))) for name, text in texts.items()}
        for one in sites.values():
            pin(one.pid("gateway-0"), SERVER_CPU)
        idle = resident_mb(sites["modelwright"].pid("gateway-0"))
        rows = [*baselines(up, door, nginx.pid), *(row_of(name, one) for name, one in sites.items())]
        table(folder, rows)
        after = resident_mb(sites["modelwright"].pid("gateway-0"))
        print(f"\ngateway worker: {idle:.0f} MB idle, {after:.0f} MB after the load")


def baselines(up: int, door: int, nginx: int) -> list[Row]:
    """The upstream itself, and nginx (the process of its master) before it."""
    proxied = Row("nginx", f"http://127.0.0.1:{door}", pids=children(nginx))
    return [Row("direct", f"http://127.0.0.1:{up}"), proxied]


def row_of(name: str, one: Site) -> Row:
    """The gateway of a site."""
    return Row(name, one.public, one.key, [one.pid("gateway-0")])


def table(folder: Path, rows: Sequence[Row]) -> None:
    """Measure and print, row by row; the ratio is to nginx."""
    print(f"non-streamed chat completion, {len(BODY)} bytes in, {len(ANSWER)} bytes out, {SECONDS:g} s each\n")
    print("| | CPU µs per call | × nginx | calls/s, c=64 | p50 ms, c=1 | p99 ms, c=64 | errors |")
    print("|---|---|---|---|---|---|---|")
    baseline = 0.0
    for name, url, key, pids in rows:
        calls(folder, url, key, connections=8, seconds=1)  # warm
        single = calls(folder, url, key, connections=1, seconds=SINGLE)
        load, cpu = with_cpu(lambda url=url, key=key: calls(folder, url, key, connections=64), pids)
        each = 1e6 * cpu / load.requests
        baseline = each if name == "nginx" else baseline
        ratio = f"{each / baseline:.2f}" if baseline else ""
        print(
            f"| {name} | {f'{each:.1f}' if pids else ''} | {ratio} | {load.rate:.0f} | {single.p50:.3f} | "
            f"{load.p99:.2f} | {load.errors + single.errors} |",
            flush=True,
        )


def calls(folder: Path, url: str, key: str, *, connections: int, seconds: int = SECONDS) -> Load:
    """A closed loop of chat completions."""
    return wrk(
        url + PATH,
        connections=connections,
        seconds=seconds,
        cpu=LOAD_CPU,
        folder=folder,
        body=BODY,
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
