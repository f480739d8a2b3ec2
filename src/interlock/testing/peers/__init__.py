"""Real peers: PostgreSQL, moto, whole processes."""
