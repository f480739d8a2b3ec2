"""The tables, and how a store of an older version gets them."""
