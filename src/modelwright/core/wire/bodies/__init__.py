"""Forms that bodies of every wire come in."""
