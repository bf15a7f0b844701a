"""A Docker host as a target: everything by its engine's API, and what has to happen there by its keeper."""
