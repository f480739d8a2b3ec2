"""What becomes of sequences."""
