"""Keys and whose they are; it never knows HTTP."""
