"""How words come to people: what of them is shown, and how many there are of something."""
