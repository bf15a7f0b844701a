"""Programs in front of everything, spoken to while they run."""
