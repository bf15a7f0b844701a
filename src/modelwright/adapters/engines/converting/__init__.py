"""Writes models of a library in formats that hold no code, for the programs that have trained them."""
