"""Plain JSON and forms for people: named inputs in, named outputs out."""
