"""Pipelines of build servers: the same jobs in the words of each; they hold no secret, only where each is kept."""
