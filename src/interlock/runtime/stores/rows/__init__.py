"""What transactions read and write of the tables."""
