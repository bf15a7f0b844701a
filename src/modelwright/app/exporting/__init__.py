"""From a manifest to files for others' tools."""
