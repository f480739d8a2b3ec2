"""One folder for each kind of target, all of the same shape; found by folder or entry point, never by name."""
