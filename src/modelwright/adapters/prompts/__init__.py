"""Languages that prompts are written in."""
