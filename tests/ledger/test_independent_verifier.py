"""The independent implementation of tlog-tiles on PyPI accepts what we write, and refuses it when altered.

``aics-tlog`` declares Python 3.12 but runs on 3.11; it is installed without its dependency check.
"""

import aics_tlog
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.ledger.ledger_exports import KEY, ORIGIN, MemoryExport, memory_log, sample_entry

from interlock.ledger import merkle, note, tiles

SIZES = [1, 2, 3, 255, 256, 257, 511, 512, 700]
THEIR_KEY = aics_tlog.parse_vkey(str(KEY.verifier))


@pytest.mark.parametrize("size", SIZES)
def test_checkpoints(size: int) -> None:
    data = memory_log(size).export().files["checkpoint"]
    verdict = aics_tlog.verify_checkpoint(aics_tlog.parse_note(data), THEIR_KEY, expected_origin=ORIGIN)
    assert (verdict.log_ok, verdict.size, verdict.root) == (True, size, memory_log(size).frontier.root())


@pytest.mark.parametrize("size", SIZES)
def test_inclusion_proofs(size: int) -> None:
    log = memory_log(size)
    root, get_hash = log.frontier.root(), tiles.node_reader(log.read_hashes)
    for index in {0, size // 3, size // 2, size - 1}:
        proof = list(merkle.inclusion_proof(index, size, get_hash))
        assert aics_tlog.verify_leaf_inclusion(log.entries[index], index, size, proof, root)
        assert not aics_tlog.verify_leaf_inclusion(b"other", index, size, proof, root)


@pytest.mark.parametrize("size", SIZES)
def test_consistency_proofs(size: int) -> None:
    log = memory_log(size)
    root, get_hash = log.frontier.root(), tiles.node_reader(log.read_hashes)
    for old in {1, size // 3 or 1, size // 2 or 1, size}:
        proof = list(merkle.consistency_proof(old, size, get_hash))
        old_root = memory_log(old).frontier.root()
        assert aics_tlog.verify_consistency(old, size, old_root, root, proof)
        assert not aics_tlog.verify_consistency(old, size, bytes(32), root, proof)


def audit(export: MemoryExport, size: int, root: bytes) -> None:
    aics_tlog.audit_tiles(aics_tlog.MemoryTileReader(export.files), size, root)


@pytest.mark.parametrize("size", SIZES)
def test_exports(size: int) -> None:
    log = memory_log(size)
    export, root = log.export(), log.frontier.root()
    audit(export, size, root)
    theirs = aics_tlog.TileWriter(log.entries).materialise()
    ours = {path: data for path, data in export.files.items() if path.startswith("tile/")}
    assert ours == theirs, "byte for byte the same resources"


@pytest.mark.parametrize("size", [2, 257, 700])
def test_altered_exports_are_refused(size: int) -> None:
    log = memory_log(size)
    root = log.frontier.root()
    for path in [p for p in log.export().files if p.startswith("tile/")]:
        export = log.export()
        data = bytearray(export.files[path])
        data[-1] ^= 1
        export.files[path] = bytes(data)
        with pytest.raises((ValueError, OSError)):
            audit(export, size, root)


def test_an_export_with_another_entry_is_refused() -> None:
    log = memory_log(300)
    export = log.export()
    export.rebundle([sample_entry(999), *log.entries[1:]])
    with pytest.raises((ValueError, OSError)):
        audit(export, 300, log.frontier.root())


def test_altered_checkpoints_are_refused() -> None:
    data = memory_log(9).export().files["checkpoint"].replace(b"\n9\n", b"\n8\n")
    assert not aics_tlog.verify_checkpoint(aics_tlog.parse_note(data), THEIR_KEY).log_ok


def test_we_accept_their_checkpoints_and_cosignatures() -> None:
    witness = Ed25519PrivateKey.from_private_bytes(bytes(32))
    log = memory_log(9)
    theirs = aics_tlog.Checkpoint(ORIGIN, 9, log.frontier.root())
    signed = aics_tlog.sign_checkpoint(theirs, KEY.private, ORIGIN)
    _, line = aics_tlog.sign_cosignature(witness, "w.example/1", 1_767_000_000, ORIGIN, 9, theirs.root)
    both = aics_tlog.Note(text=signed.text, signatures=(line, *signed.signatures))
    assert note.open_checkpoint(both.to_bytes(), KEY.verifier) == log.checkpoint()
