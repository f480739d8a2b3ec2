"""Paths and contents of tiles and entry bundles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.ledger_exports import memory_log

from interlock.ledger import merkle, tiles
from interlock.ledger.tiles import Tile


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0, 1), "tile/0/000.p/1"),
        (Tile(2, 999, 255), "tile/2/999.p/255"),
        (Tile(None, 1000), "tile/entries/x001/000"),
        (Tile(None, 273, 112), "tile/entries/273.p/112"),
        (Tile(63, 0), "tile/63/000"),
    ],
)
def test_paths_of_the_specification(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 10**12), st.integers(1, 256))
def test_paths_round_trip(level: int | None, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert tiles.parse_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/64/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/1000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "tile/0/x001",
        "tile/entries/../000",
        "/tile/0/000",
        "tile/0/٠٠٠",
        "checkpoint",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="tile"):
        tiles.parse_path(path)


def test_a_tree_of_70000_has_the_tiles_the_specification_lists() -> None:
    found = list(tiles.hash_tiles(70_000))
    partial = [t for t in found if t.width != tiles.WIDTH]
    assert partial == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert len(found) == 273 + 1 + 1 + 1 + 1
    assert list(tiles.hash_tiles(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert not list(tiles.hash_tiles(0))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 1000])
def test_nodes_between_tile_levels_come_from_the_tiles(size: int) -> None:
    log = memory_log(size)
    _, nodes = merkle.extend(merkle.Frontier(), log.rows[0])
    get_hash = tiles.node_reader(log.read_hashes)
    assert all(get_hash(n.level, n.index) == n.hash for n in nodes)


def test_a_node_that_is_not_stored_is_an_error() -> None:
    get_hash = tiles.node_reader(memory_log(5).read_hashes)
    with pytest.raises(LookupError):
        get_hash(1, 2)


def test_a_tile_is_never_shorter_than_asked() -> None:
    log = memory_log(5)
    assert len(tiles.tile_content(Tile(0, 0, 5), log.read_hashes)) == 5 * 32
    with pytest.raises(LookupError):
        tiles.tile_content(Tile(0, 0, 6), log.read_hashes)
    with pytest.raises(LookupError):
        tiles.bundle_content(Tile(None, 0, 6), log.read_entries)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert tiles.split_bundle(tiles.join_bundle(entries)) == tuple(entries)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5), st.data())
def test_a_cut_bundle_keeps_what_is_whole_and_is_an_error(entries: list[bytes], data: st.DataObject) -> None:
    whole = tiles.join_bundle(entries)
    last = 2 + len(entries[-1])
    cut = whole[: len(whole) - data.draw(st.integers(1, last - 1))]
    assert tiles.read_bundle(cut)[0] == tuple(entries[:-1])
    with pytest.raises(ValueError, match="cut short"):
        tiles.split_bundle(cut)


def test_an_entry_too_long_for_a_bundle_is_an_error() -> None:
    with pytest.raises(ValueError, match="65535"):
        tiles.join_bundle([bytes(65_536)])
    assert tiles.split_bundle(tiles.join_bundle([bytes(65_535)])) == (bytes(65_535),)


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(33)])
def test_a_tile_of_partial_hashes_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="whole number"):
        tiles.split_tile(data)
