"""Ports of a deploy: where it goes, and who decides whether it goes on."""
