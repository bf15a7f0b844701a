"""Stores of models' files: a folder, S3, and the fake."""
