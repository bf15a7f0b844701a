"""Load, batch, predict, stream, unload; it never imports an engine."""
