"""Appending from a stored head, and the signer's rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.ledger_exports import ORIGIN, MemoryLog, memory_log, sample_entry

from interlock.ledger import log, merkle, tiles
from interlock.ledger.log import SigningRefused
from interlock.ledger.merkle import Frontier
from interlock.ledger.note import Checkpoint


@given(st.lists(st.integers(0, 300), max_size=6))
def test_appending_in_groups_stores_what_one_group_stores(groups: list[int]) -> None:
    stepwise, number = MemoryLog(), 0
    for group in groups:
        stepwise.append([sample_entry(number + i) for i in range(group)])
        number += group
    assert stepwise == memory_log(number)


def test_only_nodes_that_tiles_need_are_stored() -> None:
    done = log.append(Frontier(), [b"%d" % i for i in range(600)])
    assert [(n.level, n.index) for n in done.nodes] == [(8, 0), (8, 1)]
    assert len(done.leaves) == 600
    assert done.frontier.size == 600


def checkpoint(size: int) -> Checkpoint:
    return memory_log(size).checkpoint()


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 9), (1, 9), (8, 9), (9, 9), (255, 600)])
def test_a_continuation_may_be_signed(old: int, new: int) -> None:
    get_hash = tiles.node_reader(memory_log(new).read_hashes)
    proof = merkle.consistency_proof(old, new, get_hash)
    log.may_sign(checkpoint(old), checkpoint(new), proof)
    log.may_sign(None, checkpoint(new), ())


def test_a_cut_log_is_not_signed() -> None:
    with pytest.raises(SigningRefused, match="cut off"):
        log.may_sign(checkpoint(9), checkpoint(8), ())


def test_a_rewritten_log_is_not_signed() -> None:
    other = MemoryLog()
    other.append([sample_entry(i) for i in (0, 1, 99, 3, 4, 5, 6)])
    for old in (3, 4, 6, 7):
        proof = merkle.consistency_proof(old, 7, tiles.node_reader(other.read_hashes))
        with pytest.raises(SigningRefused, match="not the ones"):
            log.may_sign(checkpoint(old), other.checkpoint(), proof)


def test_a_wrong_proof_is_not_enough() -> None:
    with pytest.raises(SigningRefused):
        log.may_sign(checkpoint(3), checkpoint(7), ())


def test_another_log_is_not_signed() -> None:
    other = Checkpoint(f"{ORIGIN}/2", 9, checkpoint(9).root)
    with pytest.raises(SigningRefused, match="was signed before"):
        log.may_sign(checkpoint(9), other, ())
