"""What must be true between the parts of a manifest, a file per subject."""
