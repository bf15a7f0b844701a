"""Loads a model two hundred times while another one answers, and weighs every process; the test's loop, only longer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bench.process import scratch
from tests.e2e.reload_loop import reload_again_and_again

WARM = 20
"""Reloads before the first weight that counts."""
OVER = 30
"""Weights that are averaged, at the beginning and at the end."""
FLAT = 0.02


def main(arguments: Sequence[str] = ()) -> None:
    """Print the growth of each process; raises SystemExit when one grows or a call was lost."""
    parser = argparse.ArgumentParser(prog="make bench WHAT=reloads")
    parser.add_argument("--reloads", type=int, default=200)
    asked = parser.parse_args(arguments)
    with scratch() as folder:
        found = reload_again_and_again(folder, reloads=asked.reloads)
    growths = {name: found.growth(name, warm=WARM, over=OVER) for name in found.weights[0]}
    for name, growth in growths.items():
        print(f"{name}: {found.weights[-1][name] / 1e6:.1f} MB, {growth:+.1%} over {asked.reloads} reloads")
    print(f"calls of the other model: {found.answered}, of these lost: {len(found.lost)}")
    if found.lost or max(growths.values()) > FLAT:
        raise SystemExit(1)
