"""Named values and secrets: where they come from, and how a text refers to them."""
