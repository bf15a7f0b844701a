"""What must be true of apps, services, routes, targets and rollouts."""
