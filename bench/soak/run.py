"""Runs the soak: `--minutes 2 --rate 60 --seed N`; an hour is `make bench WHAT=soak ARGS="--minutes 60"`.

Before it the same load comes several times as fast for a moment, so that caches and pools are filled when it begins.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from bench.process import Site, scratch, site
from bench.soak.samples import Sampler, in_flight
from bench.soak.trend import BLOCKS, LITTLE, trend
from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.kill_books import Balance, Journal, balance, ledger
from tests.making.redis_server import RedisServer

TOKENS = 12
WARM, WARMING = 25.0, 4.0
"""Seconds of the load before, and by how much it is faster."""
READING = 5.0
"""Seconds between two looks at what the upstreams have received."""
MANIFEST = """\
schema: 1
name: soak
providers:
  good: {{kind: vllm, base_url: "{good}", prices: {{m: {{input: 0.15, output: 0.60, currency: USD}}}}}}
  bad: {{kind: vllm, base_url: "{bad}", prices: {{m: {{input: 0.15, output: 0.60, currency: USD}}}}}}
endpoints:
  plain: {{variants: {{only: {{provider: good, model: m}}}}}}
  kept: {{variants: {{only: {{provider: good, model: m}}}}, cache: {{exact: {{ttl: 20s, ignore: [metadata]}}}}}}
  guarded:
    variants: {{only: {{provider: good, model: m}}}}
    guard: {{input: {{pii: mask, injection: block}}, output: {{pii: mask}}}}
  flaky:
    variants: {{first: {{provider: bad, model: m, weight: 1}}, second: {{provider: good, model: m, weight: 19}}}}
    split: {{by: call}}
    fallback: [second]
  broken: {{variants: {{only: {{provider: bad, model: m}}}}}}
  vectors: {{variants: {{only: {{provider: good, model: m}}}}}}
access:
  limits:
    key: {{requests: 10M/min, tokens: 1000M/min, concurrency: 4000}}
    tenant: {{cost: 1000000 USD/day}}
  counting: {{store_down: {{after: 2s}}}}
gateway: {{workers: 2}}
store: {{redis: "${{secret:REDIS_URL}}"}}
"""


def main(arguments: Sequence[str] = ()) -> None:
    """Print what was found; raises SystemExit when something grows, or the books are not exact."""
    parser = argparse.ArgumentParser(prog="make bench WHAT=soak")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=60.0, help="calls per second")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    asked = parser.parse_args(arguments)
    seconds = 60 * asked.minutes
    print(f"{asked.rate:g} calls/s for {asked.minutes:g} minutes, two gateway workers, seed {asked.seed}\n", flush=True)
    with scratch() as folder, ExitStack() as stack:
        good = stack.enter_context(DevProvider("--tokens", str(TOKENS), "--delay", "20ms"))
        bad = stack.enter_context(DevProvider("--fault", "500"))
        redis = stack.enter_context(RedisServer(folder))
        text = MANIFEST.format(good=good.base_url, bad=bad.base_url)
        with site(text, folder, cpu=None, env={"REDIS_URL": redis.url}) as one:
            journals = {"good": Journal(good, tokens=TOKENS), "bad": Journal(bad, tokens=0)}
            pids = {"supervisor": one.supervisor, **{name: one.pid(name) for name in one.running}}
            _load(one, journals, rate=WARMING * asked.rate, seconds=WARM, seed=asked.seed + 1)
            sampler = Sampler(pids, every=min(5.0, seconds / 60))
            told = _load(one, journals, rate=asked.rate, seconds=seconds, seed=asked.seed)
            sampler.finish()
            doors = [one.socket(name) for name in one.running if name.startswith("gateway")]
            patient(lambda: not any(map(in_flight, doors)), waiting_for="the calls under way")
            for journal in journals.values():
                journal.read()
        books = balance(journals, ledger(folder / ".modelwright", who="request_id"))
    grows = _tell_growth(sampler)
    _tell_calls(told)
    problems = [*grows, *told["wrong"][:3], *books.problems()]
    _tell_books(books, problems)
    if problems:
        raise SystemExit(1)


def _load(one: Site, journals: Mapping[str, Journal], *, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """What the clients saw; journals are read meanwhile."""
    arguments = [one.public, one.key, str(rate), str(seconds), str(seed)]
    process = subprocess.Popen([sys.executable, "-m", "bench.soak.load", *arguments], stdout=subprocess.PIPE)
    enough = threading.Event()

    def read() -> None:
        while not enough.wait(READING):
            for journal in journals.values():
                journal.read()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        out, _ = process.communicate(timeout=seconds + 120)
    finally:
        process.kill()
        enough.set()
        reader.join()
    return json.loads(out)


def _tell_growth(sampler: Sampler) -> list[str]:
    """A row per process; what grows, in words."""
    print("| | own MiB | slope, MiB/h | PSS, RSS at most | descriptors | threads | |\n|---|---|---|---|---|---|---|")
    grows: list[str] = []
    for name, samples in sampler.samples.items():
        times = [sample.at for sample in samples]
        memory = trend(times, [sample.own for sample in samples])
        counts = {
            "descriptors": [float(sample.descriptors) for sample in samples],
            "threads": [float(sample.threads) for sample in samples],
        }
        grown = [what for what, values in counts.items() if not trend(times, values).flat]
        grown += [] if memory.flat else ["memory"]
        grows += [f"{what} of {name} grow" for what in grown]
        ranges = [f"{min(values):.0f}–{max(values):.0f}" for values in counts.values()]
        print(
            f"| {name} | {memory.mean:.1f} | {memory.slope:+.1f} ± {memory.margin:.1f} | "
            f"{max(sample.pss for sample in samples):.0f}, {max(sample.rss for sample in samples):.0f} | "
            f"{' | '.join(ranges)} | "
            f"{'grows: ' + ', '.join(grown) if grown else 'flat'} |"
        )
    print(
        f"\nFlat: the 95 % interval of the slope over {BLOCKS} medians, the first third left out, holds 0, or the "
        f"growth over that time is below {LITTLE:.0%}.\n"
    )
    return grows


def _tell_calls(told: Mapping[str, Any]) -> None:
    print("| calls | answered |\n|---|---|")
    for name, statuses in told["seen"].items():
        words = ", ".join(f"{times} × {status if status != '0' else 'left'}" for status, times in statuses.items())
        print(f"| {name} | {words} |")
    print(f"\nunexpected answers: {len(told['wrong'])}")


def _tell_books(books: Balance, problems: Sequence[str]) -> None:
    print(
        f"upstream requests: {books.requests}, without a row: {len(books.unrecorded)}, rows without one: "
        f"{len(books.unasked)}; output tokens of whole answers: {books.tokens[0]} given, {books.tokens[1]} recorded"
    )
    print("nothing grows, and the books are exact" if not problems else "NOT well: " + "; ".join(problems))
