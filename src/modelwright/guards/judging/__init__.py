"""Judgements that somebody else makes: what is asked, how the answer is read, and what follows from it."""
