"""Whether a text looks like an attempt to take a model over."""
