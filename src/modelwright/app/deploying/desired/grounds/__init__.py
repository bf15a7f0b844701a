"""What instances stand on: containers with names and folders of their own, or one machine that all of them share."""
