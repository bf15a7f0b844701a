"""What the manifest may say of where things run, and of what runs beside the gateway."""
