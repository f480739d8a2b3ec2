"""The conversation with the server, and what the client is told of it."""
