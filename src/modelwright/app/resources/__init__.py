"""What models' processes get of the machine: what the manifest may say of it, and what there is."""
