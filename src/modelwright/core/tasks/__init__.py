"""Tasks: calls that somebody leaves here to be made later, and the rules of their lives."""
