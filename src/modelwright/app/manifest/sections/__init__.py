"""The manifest's sections, a file per subject."""
