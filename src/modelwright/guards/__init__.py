"""Looks at what goes into a model and what comes out: finds, masks, flags or blocks; it routes nothing."""
