"""Stores of secrets: read by the supervisor alone, handed to the workers by memory that has no name."""
