"""What a transaction did to definitions: the catalogs' rows before and after, and what that means as effects."""
