"""Events to logs and metrics; it listens and is never called by features."""
