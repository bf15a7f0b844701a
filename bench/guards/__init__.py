"""Guards measured: recall and false positives on a labelled set of our own, and what they cost."""

from bench.guards.measure import main

__all__ = ["main"]
