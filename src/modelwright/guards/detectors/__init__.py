"""What looks for one kind of thing each, in texts that may come in pieces."""
