"""Pipelines: several steps that answer as one model, in one process."""
