"""How words come to people: what of them is shown."""
