"""What machines ask of a running server: whether it is well, and its metrics."""
