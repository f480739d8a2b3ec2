"""The HTTP API (Starlette). `app` is where it starts; `routes` is the one table of operations."""
