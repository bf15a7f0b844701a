"""Measures calls: direct, through nginx `proxy_pass` with keep-alive, and through Modelwright, in one run.

The upstream is a second nginx that answers a fixed chat completion of about 600 bytes. The proxy under test has one
processor, upstream and load the other. Modelwright runs as users run it: keys, ledger, metrics and logs on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.gateway.sites import ANSWER, BODY, GUARD, KEPT, PATH, limited, made, manifest, proxy, upstream
from bench.load.wrk import Load, wrk
from bench.process import LOAD_CPU, SERVER_CPU, Site, children, free_port, pin, resident_mb, scratch, site, with_cpu

SECONDS, SINGLE = 5, 3


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
        direct, proxied = f"http://127.0.0.1:{up}", f"http://127.0.0.1:{door}"
        _table(folder, direct=direct, nginx=(proxied, children(nginx.pid)), sites=sites)
        after = resident_mb(sites["modelwright"].pid("gateway-0"))
        print(f"\ngateway worker: {idle:.0f} MB idle, {after:.0f} MB after the load")


def _table(folder: Path, *, direct: str, nginx: tuple[str, Sequence[int]], sites: Mapping[str, Site]) -> None:
    print(f"non-streamed chat completion, {len(BODY)} bytes in, {len(ANSWER)} bytes out, {SECONDS:g} s each\n")
    print("| | CPU µs per call | × nginx | calls/s, c=64 | p50 ms, c=1 | p99 ms, c=64 | errors |")
    print("|---|---|---|---|---|---|---|")
    baseline = 0.0
    rows: list[tuple[str, str, str, Sequence[int]]] = [
        ("direct", direct, "none", ()),
        ("nginx", nginx[0], "none", nginx[1]),
        *((name, one.public, one.key, [one.pid("gateway-0")]) for name, one in sites.items()),
    ]
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
