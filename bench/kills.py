"""Kills gateway workers and control a thousand times at random moments under load, and compares the books.

The same loop as the end-to-end test's, only longer: `--kills 1000 --clients 16 --seed N`.
"""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Sequence

from bench.process import scratch
from tests.e2e.kill_loop import kill_again_and_again


def main(arguments: Sequence[str] = ()) -> None:
    """Print what was found; raises SystemExit when the books are not exact."""
    parser = argparse.ArgumentParser(prog="make bench WHAT=kills")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    asked = parser.parse_args(arguments)
    print(f"seed {asked.seed}\n", flush=True)
    began = time.monotonic()
    with scratch() as folder:
        found = kill_again_and_again(folder, kills=asked.kills, seed=asked.seed, clients=asked.clients)
    books = found.balance
    rows = {
        "kills (" + ", ".join(f"{name} {times}" for name, times in found.kills.items()) + ")": sum(
            found.kills.values()
        ),
        "seconds": round(time.monotonic() - began),
        "calls answered whole": len(found.acknowledged),
        "calls cut off by a kill": len(found.broken),
        "upstream requests": books.requests,
        "of these without a row": len(books.unrecorded),
        "settled rows without a request": len(books.unasked),
        "unresolved rows": len(books.unresolved),
        "of these answered whole": len(books.unresolved - found.broken),
        "at most under way at all kills": found.in_flight,
        "output tokens, upstream's count": books.tokens[0],
        "output tokens, ledger's sum": books.tokens[1],
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value:,} |")
    problems = found.problems()
    print("\nthe books are " + ("exact" if not problems else "NOT exact: " + "; ".join(problems)))
    if problems:
        raise SystemExit(1)
