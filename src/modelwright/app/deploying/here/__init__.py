"""This machine as a place to deploy to, without Docker."""
