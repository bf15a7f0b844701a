"""What a fresh run says to a developer: a key at hand and commands to paste."""
