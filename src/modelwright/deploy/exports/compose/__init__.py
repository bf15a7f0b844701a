"""A folder for Docker Compose: the same programs, without releases, swaps and rollback."""
