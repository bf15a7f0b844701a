"""Prompts from their files to the gateway and the command line."""
