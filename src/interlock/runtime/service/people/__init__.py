"""Who there is, how they come in, and what they are known by."""
