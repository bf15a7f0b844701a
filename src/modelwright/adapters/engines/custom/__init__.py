"""Runs a class of the user's own, in this process, which is that of its model or of a pipeline."""
