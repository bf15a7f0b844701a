"""Published price lists, one small file each."""
