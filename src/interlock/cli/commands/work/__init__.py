"""What was asked for, and what people say to it."""
