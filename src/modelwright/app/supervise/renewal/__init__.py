"""A run whose manifest changes: what may change while it runs, and how the change reaches its workers."""
