"""Runs a class of the user's own, in this process; each such model has a process to itself."""
