"""Measures two gateway workers against one: CPU per call, without limits and with limits that they share in Redis."""

from __future__ import annotations

from contextlib import ExitStack

from bench.gateway.rounds import in_rounds
from bench.gateway.sites import REDIS, limited, made, manifest, upstream
from bench.process import free_port, scratch, site
from tests.making.redis_server import RedisServer

CONNECTIONS = 64


def main() -> None:
    """Print a row for each pair; both workers have one processor between them, so that a call costs what it costs."""
    with scratch() as folder, ExitStack() as stack:
        up = free_port()
        stack.enter_context(upstream(folder, port=up))
        redis = stack.enter_context(RedisServer(made(folder / "redis")))
        kinds = {"without limits": manifest, "limits in Redis": limited}
        print("| | CPU µs per call, one worker | two workers | ratio | errors |")
        print("|---|---|---|---|---|")
        for kind, text in kinds.items():
            sites = {
                number: stack.enter_context(
                    site(
                        text(up, more=REDIS, gateway=f"max_in_flight: 4096, workers: {number}"),
                        made(folder / f"{kind}-{number}".replace(" ", "-")),
                        env={"REDIS_URL": redis.url},
                    )
                )
                for number in ("1", "2")
            }
            found = in_rounds(folder, sites, connections=CONNECTIONS, rounds=5)
            one, two = found["1"], found["2"]
            print(
                f"| {kind} | {one.cpu:.1f} | {two.cpu:.1f} | {two.cpu / one.cpu:.2f} | {one.errors + two.errors} |",
                flush=True,
            )
