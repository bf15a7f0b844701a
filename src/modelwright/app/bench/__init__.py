"""Measures an endpoint under load as its clients see it: what is sent, the load, figures, a plot."""
