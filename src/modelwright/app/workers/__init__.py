"""Entry points of the worker processes: wiring only."""
