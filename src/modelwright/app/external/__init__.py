"""Models that an engine's own server runs: what the manifest may say of them, and what becomes of it."""
