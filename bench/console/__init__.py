"""The console at a million changes: how long its pages take on the server, what open pages cost, what recording pays for it."""
