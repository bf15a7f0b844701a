"""Files of models before anything loads them: what they are by content, and their digests."""
