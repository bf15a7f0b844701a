"""What is told of an environment beside a plan: what no release accounts for, and what an hour of it costs."""
