"""The keeper of an environment, beside what runs there: keeps the memory, asks instances, speaks to the edge."""
