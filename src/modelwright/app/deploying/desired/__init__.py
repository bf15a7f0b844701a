"""From a manifest to the description of what a target is to run."""
