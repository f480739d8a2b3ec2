"""What connectors and the core build on: the shape of a connector and the ports."""
