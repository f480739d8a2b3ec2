"""One target in operation: its connections, what is known of its catalogs, and the work that no agent's session does."""
