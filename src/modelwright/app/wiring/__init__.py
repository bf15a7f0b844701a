"""What each kind of worker is made of, in plain constructor calls."""
