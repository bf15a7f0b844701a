"""Reads and writes the data of V2 requests for one model; the frame itself is core/wire/v2.py."""
