"""What a deploy does on a Docker host, step by step."""
