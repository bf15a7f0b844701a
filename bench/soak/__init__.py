"""A mixed load for minutes or hours on a real site: does anything grow, and are the books exact at its end."""

from bench.soak.run import main

__all__ = ["main"]
