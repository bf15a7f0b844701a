"""Who calls, by a token."""
