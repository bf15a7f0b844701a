"""Does the steps of a deploy wherever instances can be run: what is the same for every kind of place."""
