"""Apps, services, routes and targets: what the manifest says of them, and what a target is to run for it."""
