"""Doors and wires: the HTTP API's two doors, and client connections of connectors."""
