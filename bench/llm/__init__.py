"""Measures the embedded LLM engine behind its worker beside the same engine in a plain loop."""

from bench.llm.measure import main

__all__ = ["main"]
