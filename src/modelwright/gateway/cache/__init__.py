"""What the cache policy decides by: keys, the client's wishes, which answers are worth keeping; it keeps nothing."""
