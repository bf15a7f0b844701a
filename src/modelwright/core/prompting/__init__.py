"""What a prompt is made of, whatever language it is written in."""
