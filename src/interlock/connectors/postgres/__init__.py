"""PostgreSQL, from version 15: the gateway's protocol, classification, measuring and undo."""
