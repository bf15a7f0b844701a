"""Files for others' tools, written from what should run; whoever gets them may change them."""
