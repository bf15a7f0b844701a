"""The policies of the gateway's chain, one small file each."""
