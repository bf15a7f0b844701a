"""Libraries that verify and sign tokens."""
