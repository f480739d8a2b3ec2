"""The tree against the reference vectors of Certificate Transparency and against a naive recursive tree."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.ledger import merkle
from interlock.ledger.merkle import EMPTY_ROOT, Frontier, node_hash

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, written as it stands there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


class Tree:
    """All complete nodes, and how many of them were read."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves, self.reads = leaves, 0
        self.frontier, nodes = merkle.extend(Frontier(), map(merkle.leaf_hash, leaves))
        self.nodes = {(n.level, n.index): n.hash for n in nodes}

    def get(self, level: int, index: int) -> bytes:
        self.reads += 1
        return self.nodes[level, index]


def leaves_of(size: int) -> list[bytes]:
    return [b"leaf %d" % i for i in range(size)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_vectors(size: int) -> None:
    assert Tree(LEAVES[:size]).frontier.root().hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_rfc_6962_section_2_1_3_example_of_seven_leaves() -> None:
    tree = Tree(leaves_of(7))
    a, b, c, d, e, f, j = (merkle.leaf_hash(leaf) for leaf in tree.leaves)
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, left = node_hash(g, h), node_hash(i, j)
    assert merkle.inclusion_proof(0, 7, tree.get) == (b, h, left)
    assert merkle.inclusion_proof(3, 7, tree.get) == (c, g, left)
    assert merkle.inclusion_proof(4, 7, tree.get) == (f, j, k)
    assert merkle.inclusion_proof(6, 7, tree.get) == (i, k)
    assert merkle.consistency_proof(3, 7, tree.get) == (c, d, g, left)
    assert merkle.consistency_proof(4, 7, tree.get) == (left,)
    assert merkle.consistency_proof(6, 7, tree.get) == (i, j, k)


@given(st.integers(0, 300), st.data())
def test_appending_in_any_steps_gives_the_naive_root(size: int, data: st.DataObject) -> None:
    leaves, frontier = leaves_of(size), Frontier()
    seen: dict[tuple[int, int], bytes] = {}
    while frontier.size < size:
        step = data.draw(st.integers(1, size - frontier.size))
        chunk = leaves[frontier.size : frontier.size + step]
        frontier, nodes = merkle.extend(frontier, map(merkle.leaf_hash, chunk))
        seen |= {(n.level, n.index): n.hash for n in nodes}
        frontier = Frontier.decode(frontier.size, frontier.encode())
    assert frontier.root() == mth(leaves)
    expected = {(lv, i) for lv in range(10) for i in range(size >> lv)}
    assert seen.keys() == expected
    assert all(mth(leaves[i << lv : (i + 1) << lv]) == h for (lv, i), h in seen.items())


@given(st.integers(1, 200), st.data())
def test_proofs_are_the_naive_ones_and_verify(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    tree, root = Tree(leaves), mth(leaves)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    proof = merkle.inclusion_proof(index, size, tree.get)
    assert list(proof) == path(index, leaves)
    assert merkle.verify_inclusion(merkle.leaf_hash(leaves[index]), index, size, proof, root)
    older = merkle.consistency_proof(old, size, tree.get)
    assert list(older) == subproof(old, leaves, True)
    assert merkle.verify_consistency(old, size, older, mth(leaves[:old]), root)
    assert merkle.frontier_at(old, tree.get).root() == mth(leaves[:old])


@given(st.integers(2, 100), st.data())
def test_no_other_claim_verifies(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    tree, root = Tree(leaves), mth(leaves)
    index = data.draw(st.integers(0, size - 1))
    leaf, proof = merkle.leaf_hash(leaves[index]), list(merkle.inclusion_proof(index, size, tree.get))
    wrong = data.draw(st.integers(0, size).filter(lambda i: i != index))
    assert not merkle.verify_inclusion(leaf, wrong, size, proof, root)
    place = data.draw(st.integers(0, len(proof) - 1))
    changed = [h if i != place else bytes(32) for i, h in enumerate(proof)]
    for bad in (changed, proof[:-1], [*proof, bytes(32)], []):
        assert not merkle.verify_inclusion(leaf, index, size, bad, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, proof, root)


@given(st.integers(2, 100), st.data())
def test_no_other_history_is_consistent(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    tree, root = Tree(leaves), mth(leaves)
    old = data.draw(st.integers(1, size - 1))
    proof, old_root = list(merkle.consistency_proof(old, size, tree.get)), mth(leaves[:old])
    rewritten = mth([b"rewritten", *leaves[1:old]])
    assert not merkle.verify_consistency(old, size, proof, rewritten, root)
    assert not merkle.verify_consistency(old, size, proof, old_root, bytes(32))
    for bad in (proof[:-1], [*proof, bytes(32)], [bytes(32), *proof[1:]]):
        assert not merkle.verify_consistency(old, size, bad, old_root, root)
    assert not merkle.verify_consistency(size, old, proof, root, old_root)


def test_consistency_at_the_ends() -> None:
    tree, root = Tree(leaves_of(5)), mth(leaves_of(5))
    assert merkle.consistency_proof(0, 5, tree.get) == merkle.consistency_proof(5, 5, tree.get) == ()
    assert merkle.verify_consistency(0, 5, (), EMPTY_ROOT, root)
    assert merkle.verify_consistency(5, 5, (), root, root)
    assert merkle.verify_consistency(0, 0, (), EMPTY_ROOT, EMPTY_ROOT)
    assert not merkle.verify_consistency(0, 0, (), EMPTY_ROOT, root)
    assert not merkle.verify_consistency(0, 5, (), root, root)
    assert not merkle.verify_consistency(5, 5, (), root, bytes(32))
    assert not merkle.verify_consistency(5, 5, (root,), root, root)
    assert not merkle.verify_consistency(3, 5, (), mth(leaves_of(3)), root)


def test_impossible_proofs_are_errors() -> None:
    tree = Tree(leaves_of(5))
    for index in (-1, 5):
        with pytest.raises(ValueError, match="no entry"):
            merkle.inclusion_proof(index, 5, tree.get)
    with pytest.raises(ValueError, match="cannot begin"):
        merkle.consistency_proof(6, 5, tree.get)


@pytest.mark.parametrize(("size", "data"), [(3, b"x" * 32), (1, b""), (1, b"x" * 31), (-1, b"")])
def test_an_edge_that_cannot_be_is_an_error(size: int, data: bytes) -> None:
    with pytest.raises(ValueError, match="edge"):
        Frontier.decode(size, data)


def test_a_proof_reads_logarithmically_many_nodes() -> None:
    size = 4095
    tree = Tree(leaves_of(size))
    merkle.inclusion_proof(1234, size, tree.get)
    assert tree.reads <= 2 * size.bit_length()
    tree.reads = 0
    merkle.consistency_proof(1234, size, tree.get)
    assert tree.reads <= 3 * size.bit_length()
