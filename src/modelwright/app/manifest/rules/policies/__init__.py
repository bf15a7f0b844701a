"""What must be true of what happens to an endpoint's calls on their way."""
