"""The ledger in the store: its rows, its signer, and what can be shown of it."""
