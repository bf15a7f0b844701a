"""Settings, manifest, wiring, worker entry points; it holds no rule of its own."""
