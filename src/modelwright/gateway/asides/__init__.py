"""Calls that the gateway makes for a call, through a part of its own chain, each with a row of its own."""
