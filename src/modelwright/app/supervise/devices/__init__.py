"""What the supervisor moves: sockets, processes, pipes and folders; it decides nothing."""
