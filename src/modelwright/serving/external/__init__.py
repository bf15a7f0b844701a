"""Language models that an engine's own server runs: watched, asked and told of like ours."""
