"""Undoing an applied change from its stored before-image."""
