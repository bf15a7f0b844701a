"""Several Docker hosts as one target: the first one has the memory, the edge and what lasts, all of them instances."""
