"""A store in memory that enforces what the port promises, and can be made to fail."""
