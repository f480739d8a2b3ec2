"""Samples: bounded, without what must not be shown; and masked so that no value shows through."""

import string
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.model import masking, sample
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.masking import MASK, compared, length_class, masked, without_literals
from interlock.model.operation import Resource
from interlock.model.sample import BYTES, ROWS, Cell, Column, Part, Row, Rows, Sample, Text, cell

TABLE = Resource("table", "public.t", "public")
COLUMNS = (
    Column("id", "integer", True),
    Column("code", "text", True),
    Column("a", "text"),
    Column("b", "integer"),
)
# Letters that are in no word of a rendering: what is found of a value was not masked.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜ$%&/()=?`+*#'~_;:<>|^°漢字\n\t'"
values = st.one_of(st.none(), st.text(LETTERS, max_size=300))


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    change = draw(st.sampled_from([ChangeKind.CREATED, ChangeKind.UPDATED, ChangeKind.DELETED]))
    found = []
    for number in range(draw(st.integers(0, 6))):
        before = [str(number), *(draw(values) for _ in COLUMNS[1:])]
        after = [str(number), *(draw(values) for _ in COLUMNS[1:])]
        old = tuple(cell(c.name, v) for c, v in zip(COLUMNS, before, strict=True))
        new = tuple(cell(c.name, v) for c, v in zip(COLUMNS, after, strict=True))
        changed = tuple(c.name for c, o, n in zip(COLUMNS, before, after, strict=True) if o != n)
        match change:
            case ChangeKind.CREATED:
                found.append(Row((), new))
            case ChangeKind.DELETED:
                found.append(Row(old))
            case _:
                found.append(Row(old, new, changed))
    return Rows(TABLE, change, COLUMNS, tuple(found), 7)


def texts_of(part: Rows) -> list[str]:
    """The values of a part that are no plain keys."""
    return [
        one.text
        for row in part.rows
        for side in (row.before, row.after)
        for column, one in zip(COLUMNS, side, strict=False)
        if one is not None and column.name != "id"
    ]


@given(rows())
def test_no_value_shows_through_the_mask(part: Rows) -> None:
    rendering = msgspec.json.encode(masked(part)).decode()
    plain = "".join(
        cell.text for row in masked(part).rows for side in (row.before, row.after) for cell in side if cell
    )
    for text in texts_of(part):
        for piece in {text, *text.split()}:
            if len(piece) > 2:
                assert piece not in plain
                assert piece not in rendering


@given(rows(), st.randoms(use_true_random=False))
def test_the_mask_depends_on_lengths_alone(part: Rows, random: object) -> None:
    """Other values of the same lengths look alike."""

    def other(one: Cell | None) -> Cell | None:
        return None if one is None else msgspec.structs.replace(one, text="z" * len(one.text))

    def other_row(row: Row) -> Row:
        return Row(tuple(map(other, row.before)), tuple(map(other, row.after)), row.changed)

    def keyless(found: Rows) -> Rows:
        columns = tuple(msgspec.structs.replace(c, key=False) for c in found.columns)
        return msgspec.structs.replace(found, columns=columns)

    twin = msgspec.structs.replace(part, rows=tuple(map(other_row, part.rows)))
    assert masked(keyless(part)) == masked(keyless(twin))


@given(rows())
def test_what_is_kept_of_the_shape(part: Rows) -> None:
    found = masked(part)
    assert (found.columns, found.of, len(found.rows)) == (part.columns, part.of, len(part.rows))
    for before, after in zip(part.rows, found.rows, strict=True):
        assert before.changed == after.changed
        for old, new in zip((*before.before, *before.after), (*after.before, *after.after), strict=True):
            assert (old is None) == (new is None)


def test_keys_are_shown_unless_they_are_text() -> None:
    row = Row((cell("id", "4711"), cell("code", "ABC-4711"), None, cell("b", "5")))
    (shown,) = masked(Rows(TABLE, ChangeKind.DELETED, COLUMNS, (row,))).rows
    assert [None if c is None else (c.text, c.masked) for c in shown.before] == [
        ("4711", False), (f"{MASK} 4–15", True), None, (f"{MASK} 1–3", True),
    ]  # fmt: skip


def test_length_classes_do_not_overlap() -> None:
    names = [length_class(n) for n in range(300)]
    changes = [n for n, (one, two) in enumerate(pairwise(names), 1) if one != two]
    assert changes == [1, 4, 16, 64, 256]


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "user_passwd",
        "pwd",
        "secret",
        "clientSecret",
        "api_key",
        "apikey",
        "access_token",
        "private_key",
        "card_cvv",
        "pin",
    ],
)
def test_what_says_that_it_is_secret_is_not_kept(name: str) -> None:
    assert cell(name, "s3cr3t") == Cell("", 6, kept=False)
    assert cell(name, None) is None


@pytest.mark.parametrize("name", ["name", "shipping", "spinner", "opinion", "email", "compass"])
def test_what_does_not_is_kept(name: str) -> None:
    found = cell(name, "value")
    assert found is not None
    assert found.kept


# ---- Bounded

wide = st.integers(1, 60)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 80), wide, st.integers(0, 2_000), st.text(string.printable, max_size=50))
def test_however_much_is_given_it_is_small(parts: int, columns: int, length: int, more: str) -> None:
    text = (more * (length // max(1, len(more)) + 1))[:length]
    layout = tuple(Column(f"c{n}", "text") for n in range(columns))
    one = Row(tuple(cell(c.name, text) for c in layout), tuple(cell(c.name, text) for c in layout))
    found: list[Part] = [Rows(TABLE, ChangeKind.UPDATED, layout, (one,) * ROWS) for _ in range(parts)]
    found += [Text(TABLE, text * 100, text * 200, "sql")] * min(parts, 3)
    data = sample.encode(Sample(tuple(found)))
    assert len(data) <= BYTES
    back = sample.decode(data)
    assert len(back.parts) + back.more == len(found)
    if found:
        assert back.parts
        assert all(len(p.rows) <= ROWS for p in back.parts if isinstance(p, Rows))


def test_a_small_one_comes_back_as_it_was() -> None:
    given = Sample(
        (
            Rows(TABLE, ChangeKind.DELETED, COLUMNS, (Row((cell("id", "1"), None, None, None)),)),
            Text(TABLE, "a", "b"),
        )
    )
    assert sample.decode(sample.encode(given)) == given
    assert sample.encode(Sample()) == b""
    assert sample.decode(b"") == Sample()


def test_what_is_cut_keeps_its_length() -> None:
    found = cell("a", "x" * 1000)
    assert found is not None
    assert (len(found.text), found.length) == (256, 1000)


def test_counts_come_from_the_effects() -> None:
    given = Sample((Rows(TABLE, ChangeKind.DELETED, COLUMNS, (Row(),)),))
    effects = [
        Effect(TABLE, ChangeKind.DELETED, 1234, Unit.ROWS),
        Effect(TABLE, ChangeKind.UPDATED, 5, Unit.ROWS),
        Effect(TABLE, ChangeKind.DELETED, 1, Unit.OBJECTS),
    ]
    (part,) = sample.counted(given, effects).parts
    assert isinstance(part, Rows)
    assert part.of == 1234


# ---- Definitions

BODY = """CREATE OR REPLACE FUNCTION public.f()
 RETURNS text
 LANGUAGE plpgsql
AS $function$
BEGIN
  -- don't lose this
  x := 'secret one'; /* and
  'this' too */
  y := E'it\\'s secret two';
  EXECUTE $q$ SELECT 'secret three' $q$;
  RETURN "Plain Name" || 'a''secret four';
END
$function$"""


def test_literals_and_comments_are_masked_and_lines_stay() -> None:
    found = without_literals(BODY)
    assert "secret" not in found
    assert "don't" not in found
    assert '"Plain Name"' in found
    assert len(found.split("\n")) == len(BODY.split("\n"))


def test_a_language_that_is_not_read_is_masked_line_by_line() -> None:
    text = BODY.replace("LANGUAGE plpgsql", "LANGUAGE plpython3u").replace("x :=", "# it's\n  x =")
    found = without_literals(text)
    assert "BEGIN" not in found
    assert "secret" not in found
    assert len(found.split("\n")) == len(text.split("\n"))


@given(st.lists(st.text("abcXYZ '\"$-/*\\\nE", max_size=40), max_size=8))
def test_masking_keeps_lines_whatever_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    assert without_literals(text).count("\n") == text.count("\n")


FORMS = ("'{}'", "E'{}'", "$$'{}'$$", "$x${}$x$", "$a${}$a$", "-- {}\n", "/* {} */")


@given(
    st.text("QVWK漢 0", min_size=3, max_size=40).filter(lambda t: len(t.strip()) > 2), st.sampled_from(FORMS)
)
def test_no_literal_shows_through(secret: str, form: str) -> None:
    text = f"column a text default {form.format(secret)}"
    if form.startswith("$a$"):
        text = f"CREATE FUNCTION f()\n LANGUAGE sql\nAS $function$ {text} $function$"
    assert secret not in without_literals(text)


def test_a_change_of_a_literal_alone_is_seen_and_masked() -> None:
    part = Text(TABLE, "a\ndefault 'one'\nb", "a\ndefault 'two'\nb", "sql")
    found = [(line.sort, line.text) for line in compared(part, reveal=False).lines]
    assert found == [
        ("same", "a"), ("removed", f"default '{MASK}'"), ("added", f"default '{MASK}'"), ("same", "b"),
    ]  # fmt: skip
    found = [(line.sort, line.text) for line in compared(part, reveal=True).lines]
    assert ("removed", "default 'one'") in found


def test_what_stays_the_same_is_left_out() -> None:
    lines = [f"line {n}" for n in range(50)]
    after = [*lines[:25], "another", *lines[26:]]
    found = compared(Text(TABLE, "\n".join(lines), "\n".join(after)), reveal=True).lines
    assert [line.sort for line in found] == ["gap", *["same"] * 3, "removed", "added", *["same"] * 3, "gap"]
    assert found[0].text == "22 lines stay the same"
    assert found[-1].text == "21 lines stay the same"


def test_new_and_gone() -> None:
    assert {line.sort for line in compared(Text(TABLE, "", "a\nb"), reveal=True).lines} == {"added"}
    assert {line.sort for line in compared(Text(TABLE, "a\nb", ""), reveal=True).lines} == {"removed"}
    assert masking.compared(Text(TABLE, "a", "a"), reveal=True).lines == ()
