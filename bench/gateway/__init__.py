"""The gateway measured beside nginx: calls, streams, limits in Redis, several workers, and too many calls."""

from bench.gateway.calls import main

__all__ = ["main"]
