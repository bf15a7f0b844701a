"""What asks: closed loops by wrk, open loops, and many streams at once; each in processes of its own."""
