"""Settings that clients wish for, and what comes of them."""
