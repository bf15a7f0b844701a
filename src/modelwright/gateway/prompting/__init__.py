"""What goes before a client's messages."""
