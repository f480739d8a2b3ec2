"""Definitions: made what they were, and proved to be before the commit."""
