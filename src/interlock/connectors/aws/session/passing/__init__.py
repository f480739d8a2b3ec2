"""Sending a call on, and reading what comes back."""
