"""What is of each kind of service alone: its settings, and what it finds of the others."""
