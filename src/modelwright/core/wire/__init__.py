"""Wire formats that more than one room speaks, as pure functions over bytes."""
