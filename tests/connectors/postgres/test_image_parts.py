"""The stored form of a before-image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.postgres import image
from interlock.connectors.postgres.undo.load import load

VALUE = st.one_of(st.none(), st.text(max_size=20))
ROWS = st.lists(st.tuples(VALUE, VALUE), max_size=1500)
TABLE = image.Table(7, "public", "t", (image.Column("a", "text"), image.Column("b", "text", True)))
HEAD = image.Head("1/db")


@given(
    inserted=ROWS, deleted=ROWS, updated=st.lists(st.tuples(st.tuples(VALUE, VALUE), st.tuples(VALUE, VALUE)))
)
def test_what_goes_in_comes_out(
    inserted: list[image.Row], deleted: list[image.Row], updated: list[tuple[image.Row, image.Row]]
) -> None:
    parts = image.encode([HEAD, TABLE, *image.row_frames(7, inserted, deleted, updated)])
    stored = load(parts).tables[7]
    assert (stored.inserted, stored.deleted, stored.updated) == (inserted, deleted, updated)


def test_parts_are_no_larger_than_promised_and_rows_may_cross_them() -> None:
    rows = [(str(n), "x" * 700_000) for n in range(20)]
    parts = image.encode([HEAD, TABLE, *image.row_frames(7, deleted=rows)])
    assert len(parts) == 4
    assert all(len(part) <= image.PART_BYTES for part in parts)
    assert load(parts).tables[7].deleted == rows


@pytest.mark.parametrize("cut", [1, 3, 10, 40])
def test_a_cut_image_is_refused(cut: int) -> None:
    (part,) = image.encode([HEAD, TABLE, *image.row_frames(7, deleted=[("1", "2")])])
    with pytest.raises(image.Damaged):
        load([part[:-cut]])


def test_garbage_and_missing_head_are_refused() -> None:
    for parts in (
        [],
        [b"\x00\x00\x00\x01\xff"],
        image.encode([TABLE]),
        image.encode([HEAD, HEAD]),
        image.encode([HEAD, image.Deleted(8, ())]),
    ):
        with pytest.raises(image.Damaged):
            load(parts)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    try:
        load([data])
    except image.Damaged:
        return
