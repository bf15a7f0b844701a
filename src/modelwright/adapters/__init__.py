"""One small file per vendor, by family."""
