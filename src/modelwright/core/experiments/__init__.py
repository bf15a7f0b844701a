"""How variants compare: what was seen of them, and how far that can be trusted."""
