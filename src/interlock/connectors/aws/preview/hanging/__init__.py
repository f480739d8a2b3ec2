"""Deletions, and what hangs on what is deleted: instances in a network, records in a zone, members of a group."""
