"""From what should run and what does: a plan, and what is next in it; no command is run here."""
