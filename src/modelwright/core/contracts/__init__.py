"""The frozen contracts between parts and releases: each type carries a version and has a golden file."""
