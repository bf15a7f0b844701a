"""The supervisor behind `modelwright up`."""
