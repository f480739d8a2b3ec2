"""Proofs of one entry as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.ledger_exports import KEY, MemoryLog, memory_log

from interlock.ledger import merkle, proof, tiles
from interlock.ledger.note import NoteError
from interlock.ledger.proof import Proof


def prove(log: MemoryLog, index: int) -> Proof:
    path = merkle.inclusion_proof(index, len(log.entries), tiles.node_reader(log.read_hashes))
    return Proof(index, path, log.export().files["checkpoint"])


@pytest.mark.parametrize(("size", "index"), [(1, 0), (7, 6), (300, 256)])
def test_proofs_round_trip_and_verify(size: int, index: int) -> None:
    log = memory_log(size)
    made = prove(log, index)
    read = proof.parse_proof(made.encode())
    assert read == made
    assert proof.verify_proof(read, log.entries[index], KEY.verifier) == log.checkpoint()
    with pytest.raises(NoteError):
        proof.verify_proof(read, b"other", KEY.verifier)


def test_extra_data_is_skipped() -> None:
    text = prove(memory_log(3), 1).encode().replace(b"\nindex", b"\nextra AAAA\nindex")
    assert proof.parse_proof(text) == prove(memory_log(3), 1)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_altered_byte_passes(place: int, flip: int) -> None:
    log = memory_log(7)
    data = bytearray(prove(log, 2).encode())
    data[place % len(data)] ^= flip
    with pytest.raises(NoteError):
        proof.verify_proof(proof.parse_proof(bytes(data)), log.entries[2], KEY.verifier)


@pytest.mark.parametrize(
    "data", [b"", b"x\n\n", b"c2sp.org/tlog-proof@v1\n\n", b"c2sp.org/tlog-proof@v1\nindex 01\n\n"]
)
def test_malformed_proofs_are_refused(data: bytes) -> None:
    with pytest.raises(NoteError):
        proof.parse_proof(data)
