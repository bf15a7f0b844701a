"""The manifest: typed, frozen, with every fault reported at once."""
