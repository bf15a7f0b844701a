"""Measures what limits and a budget add to a call, in memory and in a real Redis, at several concurrencies."""

from __future__ import annotations

from contextlib import ExitStack

from bench.gateway.rounds import in_rounds
from bench.gateway.sites import PRICES, REDIS, limited, made, manifest, upstream
from bench.process import free_port, scratch, site
from tests.making.redis_server import RedisServer

CONCURRENCIES = (1, 8, 32)


def main() -> None:
    """Print a table: CPU of the gateway worker alone; upstream, load and Redis are on the other processor."""
    with scratch() as folder, ExitStack() as stack:
        up = free_port()
        stack.enter_context(upstream(folder, port=up))
        redis = stack.enter_context(RedisServer(made(folder / "redis")))
        texts = {
            "prices alone": manifest(up, provider=PRICES),
            "+ limits in memory": limited(up),
            "+ limits in Redis": limited(up, more=REDIS),
        }
        env = {"REDIS_URL": redis.url}
        sites = {
            name: stack.enter_context(site(text, made(folder / f"site-{number}"), env=env))
            for number, (name, text) in enumerate(texts.items())
        }
        print("| CPU µs per call | " + " | ".join(f"c={number}" for number in CONCURRENCIES) + " |")
        print("|---|" + "---|" * len(CONCURRENCIES))
        found = [in_rounds(folder, sites, connections=number) for number in CONCURRENCIES]
        first = next(iter(sites))
        for name in sites:
            costs = [each[name].cpu for each in found]
            more = [each[name].cpu - each[first].cpu for each in found]
            cells = [
                f"{cost:.0f}" if name == first else f"{cost:.0f} (+{extra:.0f})"
                for cost, extra in zip(costs, more, strict=True)
            ]
            print(f"| {name} | " + " | ".join(cells) + " |")
        print(f"\nerrors: {sum(each[name].errors for each in found for name in sites)}")
