"""Configurations of edges: pure functions of what stands in front; nothing is started, reloaded or asked here."""
