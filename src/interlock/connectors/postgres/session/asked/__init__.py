"""What a client asks: the statements of one segment."""
