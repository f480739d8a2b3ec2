"""Appending to the log, and the rule of its signer: pure steps over a stored head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.ledger import merkle
from interlock.ledger.merkle import Frontier, Node
from interlock.ledger.note import Checkpoint
from interlock.ledger.tiles import HEIGHT


class SigningRefused(Exception):
    """The checkpoint contradicts what was signed before: a fork, a truncation, or another log.

    Whoever meets this must not sign: the store is damaged, restored from an old copy, or tampered with.
    """


@dataclass(frozen=True, slots=True)
class Appended:
    """What one append adds; everything is to be stored in one transaction.

    ``leaves[i]`` is the leaf hash of entry ``first + i``; ``nodes`` are the complete nodes above the leaves
    at the levels tiles need (8, 16, …).
    """

    first: int
    leaves: tuple[bytes, ...]
    nodes: tuple[Node, ...]
    frontier: Frontier


def append(frontier: Frontier, entries: Sequence[bytes]) -> Appended:
    """Append encoded entries after a stored edge. Costs O(log n) hashes for each entry and reads nothing."""
    leaves = tuple(map(merkle.leaf_hash, entries))
    after, nodes = merkle.extend(frontier, leaves)
    kept = tuple(node for node in nodes if node.level and node.level % HEIGHT == 0)
    return Appended(frontier.size, leaves, kept, after)


def may_sign(previous: Checkpoint | None, candidate: Checkpoint, proof: Sequence[bytes]) -> None:
    """Let a candidate pass only when it provably appends to what was signed last.

    ``proof`` is the consistency proof from the previous size to the candidate's (RFC 9162 section 2.1.4).
    Raises SigningRefused otherwise. The first checkpoint of a log has no previous one.
    """
    if previous is None:
        return
    if candidate.origin != previous.origin:
        raise SigningRefused(f"a checkpoint of {candidate.origin}, but {previous.origin} was signed before")
    if candidate.size < previous.size:
        raise SigningRefused(
            f"the log has {candidate.size} entries, but {previous.size} were signed: its end was cut off"
        )
    if not merkle.verify_consistency(previous.size, candidate.size, proof, previous.root, candidate.root):
        raise SigningRefused(f"the first {previous.size} entries are not the ones that were signed before")
