"""Providers of LLM APIs: a table of rows and the dialects they name."""
