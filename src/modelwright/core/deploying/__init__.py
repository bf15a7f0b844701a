"""Values of a deploy: what should run, what was seen, what is to be done, and what became of it; they do nothing."""
