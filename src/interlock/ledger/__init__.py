"""The append-only ledger: Merkle tree, tiles, checkpoints, entries and offline verification (no I/O).

Sources: RFC 6962 and RFC 9162 (tree and proofs), c2sp.org/tlog-tiles (layout), c2sp.org/signed-note and
c2sp.org/tlog-checkpoint (signed heads), RFC 8785 (canonical JSON of the entries).
"""
