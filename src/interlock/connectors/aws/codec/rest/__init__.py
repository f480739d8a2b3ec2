"""Requests of the REST protocols: which operation, and where its parameters are bound."""
