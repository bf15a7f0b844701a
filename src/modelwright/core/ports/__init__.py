"""The ports that rooms ask for and `app` fills; Protocols only."""
