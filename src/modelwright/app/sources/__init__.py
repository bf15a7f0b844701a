"""From what a manifest names as a model's source to the file or folder on this machine that is meant."""
