"""The beginning of a session: login, and the settings that it begins with."""
