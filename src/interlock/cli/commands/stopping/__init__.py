"""Freezes, breakers and the kill switch."""
