"""Variants of endpoints while they run: their live weights, and what was seen of them."""
