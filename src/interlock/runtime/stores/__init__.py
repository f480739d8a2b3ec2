"""The store: records, encrypted payloads and the ledger in one SQL database, SQLite or PostgreSQL.

Start with :func:`open_store`. One writer thread for each store turns waiting transactions into one durable commit
(``writer``); each of them runs in its own savepoint (``batch``); ``reading`` and ``writing`` are what it may do.
"""

from interlock.runtime.stores.store import SqlStore, open_store

__all__ = ["SqlStore", "open_store"]
