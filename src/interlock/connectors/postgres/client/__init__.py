"""The gateway as a client of PostgreSQL, sans-io: connection strings, logging in, statements and their results."""
