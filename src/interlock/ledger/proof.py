"""Proof that one entry is in the log, as one text that verifies offline (c2sp.org/tlog-proof)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from interlock.ledger import merkle, note
from interlock.ledger.merkle import HASH_SIZE
from interlock.ledger.note import Checkpoint, NoteError, VerifierKey

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proof:
    """The index of an entry, its audit path from the leaf up, and the signed checkpoint (a note's bytes)."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """The text form, kept in files named ``*.tlog-proof``."""
        lines = [HEADER, f"index {self.index}", *(base64.b64encode(h).decode() for h in self.path), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


def parse_proof(data: bytes) -> Proof:
    """Read a proof; optional extra data is dropped, for nothing vouches for it. Raises NoteError."""
    head, separator, checkpoint = data.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if lines[0] != HEADER or not separator:
        raise NoteError("not a tlog-proof")
    rest = lines[2:] if lines[1:2] and lines[1].startswith("extra ") else lines[1:]
    index = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", rest[0] if rest else "")
    if index is None:
        raise NoteError("a proof without an index")
    return Proof(int(index[1]), tuple(map(_hash, rest[1:])), checkpoint)


def verify_proof(proof: Proof, entry: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint that vouches for ``entry``. Raises NoteError when the proof does not show that."""
    checkpoint = note.open_checkpoint(proof.checkpoint, key)
    leaf = merkle.leaf_hash(entry)
    if not merkle.verify_inclusion(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root):
        raise NoteError(f"entry {proof.index} is not what the checkpoint of {checkpoint.size} entries covers")
    return checkpoint


def _hash(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("a malformed hash in a proof") from None
    if len(data) != HASH_SIZE:
        raise NoteError("a malformed hash in a proof")
    return data
