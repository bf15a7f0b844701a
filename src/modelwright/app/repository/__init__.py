"""Which models are loaded, and loading and unloading them while the site runs, for control and the command line."""
