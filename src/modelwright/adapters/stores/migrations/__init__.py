"""The one migration tree."""
