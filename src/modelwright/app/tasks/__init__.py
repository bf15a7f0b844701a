"""Tasks in control: kept for those who leave them, run as them, their ends told."""
