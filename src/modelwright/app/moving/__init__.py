"""What takes an installation's state from one place to another."""
