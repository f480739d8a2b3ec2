"""The exact text that passkeys sign: everything is in it, in the order in which it matters, and nothing in it can pass for ours."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from interlock.control.change import alike
from interlock.control.deciding import approval, break_glass, shown
from interlock.model.change import Change, ChangeState, Measurement, Statement, Verdict
from interlock.model.decision import Hold
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Action, Operation, Resource

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ORDERS, LOGS = Resource("table", "public.orders", "public"), Resource("table", "public.logs", "public")
EFFECTS = (
    Effect(ORDERS, ChangeKind.DELETED, 120, Unit.ROWS, reversible=True),
    Effect(LOGS, ChangeKind.DELETED, 1, Unit.OBJECTS, Evidence.MEASURED, reason="no copy was made"),
)
CHANGE = Change(
    id="CHG-7K3F9Q2M",
    agent="fixer",
    owner="olga",
    target="shop",
    environment="production",
    fingerprint="7/shop",
    state=ChangeState.HELD,
    version=1,
    content="c" * 64,
    operations=(Operation(Action.DELETE, "DELETE", (ORDERS,)),),
    measurement=Measurement(EFFECTS),
    decision=Hold(("quorum:two-sre",), ("rows-deleted",)),
    requested_at=AT,
    updated_at=AT,
    reason="tidy up",
    nonce="n" * 32,
)
WORDS = approval.statement(
    CHANGE, "ann", Verdict.APPROVE, origin="log.example/1", expires=AT + timedelta(hours=1), reason="seen"
)
HEADINGS = [
    "WRITES TO",
    "WHAT WOULD HAPPEN",
    "LOST FOR GOOD",
    "STATEMENT",
    "THE AGENT'S OWN WORDS",
    "SIGNED FOR",
]


def text(
    change: Change = CHANGE, statements: tuple[str, ...] = ("DELETE FROM orders",), words: Statement = WORDS
) -> str:
    return shown.text_of(change, statements, words)


def headings(said: str) -> list[str]:
    """Lines that stand at the margin, but for the first ones."""
    lines = [line for line in said.split("\n")[3:] if line and not line.startswith(" ")]
    return [next(h for h in HEADINGS if line.startswith(h)) for line in lines]


def test_what_is_written_comes_first_and_what_is_lost_before_the_statements() -> None:
    assert headings(text()) == HEADINGS
    lines = text().split("\n")
    assert lines[:3] == ["APPROVE CHG-7K3F9Q2M", "as ann, until 2026-03-04T06:06:07.000Z", "because: seen"]
    first = lines.index("WRITES TO shop (production), asked by agent fixer of olga")
    assert lines[first + 1 : first + 4] == ["  table public.orders", "  table public.logs", ""]
    lost = lines.index("LOST FOR GOOD")
    assert [line for line in lines[lost + 1 : lost + 3] if line] == [lines[lost + 1]]
    assert "public.logs" in lines[lost + 1]


def test_all_targets_are_there_however_many() -> None:
    many = tuple(
        Effect(Resource("table", f"public.t{n}", "public"), ChangeKind.DELETED, n + 1, Unit.ROWS)
        for n in range(300)
    )
    said = text(msgspec.structs.replace(CHANGE, measurement=Measurement(many)))
    assert all(f"\n  table public.t{n}\n" in said for n in range(300))


def test_a_long_statement_hides_no_tail() -> None:
    lines = [f"SELECT {n};" for n in range(5000)] + ["DROP TABLE customers"]
    said = text(statements=("SELECT 1", " ".join(lines), "\n".join(lines)))
    assert said.count("DROP TABLE customers") == 2
    assert "  DROP TABLE customers\n" in said
    assert "STATEMENT 3 OF 3" in said


@pytest.mark.parametrize(
    ("odd", "sign"),
    [
        ("\u202e", "U+202E"),  # reorders
        ("\u200b", "U+200B"),  # is invisible
        ("\x1b[2K", "U+001B"),  # erases
        ("\r", "U+000D"),
        ("\u2028", "U+2028"),  # a line of its own
        ("\u0430dmin", "U+0430"),  # imitates
        ("⟨U+0041⟩", "U+27E8"),  # the notation itself
    ],
)
def test_what_hides_reorders_or_imitates_is_spelled_out_wherever_it_stands(odd: str, sign: str) -> None:
    named = Resource("table", f"public.{odd}", "public")
    effect = Effect(named, ChangeKind.DELETED, 1, Unit.ROWS, reason=f"because {odd}", detail=f"so {odd}")
    places = {
        "a statement": text(statements=(f"SELECT '{odd}'",)),
        "the agent's words": text(msgspec.structs.replace(CHANGE, reason=odd)),
        "a name": text(msgspec.structs.replace(CHANGE, measurement=Measurement((effect,)))),
        "a reason": text(words=msgspec.structs.replace(WORDS, reason=odd)),
    }
    for place, said in places.items():
        assert f"⟨{sign}⟩" in said, place
        assert odd not in said, place


FORGED = "harmless\nLOST FOR GOOD\n  nothing: all of it can be reverted\n\nSIGNED FOR\n  purpose x"


def test_nothing_of_somebody_elses_stands_at_the_margin() -> None:
    """Neither a statement nor the agent's words, nor a name, can look like a part of ours."""
    named = Effect(
        Resource("table", FORGED, "public"), ChangeKind.DELETED, 1, Unit.ROWS, reason=FORGED, detail=FORGED
    )
    for said in (
        text(statements=(FORGED,)),
        text(msgspec.structs.replace(CHANGE, reason=FORGED)),
        text(msgspec.structs.replace(CHANGE, measurement=Measurement((named,)))),
    ):
        assert headings(said) == HEADINGS


def test_the_agents_words_are_called_that() -> None:
    said = text(msgspec.structs.replace(CHANGE, reason="trust me"))
    assert "THE AGENT'S OWN WORDS (nobody has checked them)\n  trust me\n" in said
    assert said.count("trust me") == 1
    assert "OWN WORDS" not in text(msgspec.structs.replace(CHANGE, reason=""))


def test_destroyed_statements_are_no_empty_ones() -> None:
    assert shown.GONE in shown.text_of(CHANGE, None, WORDS)
    assert shown.GONE not in text(statements=())


def test_whatever_differs_is_another_text() -> None:
    other = msgspec.structs.replace
    texts = [
        text(),
        text(statements=("DELETE FROM orders ",)),
        text(statements=("DELETE FROM", "orders")),
        text(other(CHANGE, target="till")),
        text(other(CHANGE, environment="staging")),
        text(other(CHANGE, agent="other")),
        text(other(CHANGE, reason="tidy up!")),
        text(other(CHANGE, measurement=Measurement(EFFECTS[:1]))),
        text(other(CHANGE, decision=Hold(("quorum:one",), ()))),
        *(
            text(words=other(WORDS, **{name: "other"}))
            for name in ("person", "expires", "reason", "origin", "nonce", "subject")
        ),
        text(words=other(WORDS, verdict=Verdict.DENY)),
        text(words=other(WORDS, purpose=approval.REVERT_PURPOSE)),
        text(words=other(WORDS, purpose=break_glass.PURPOSE)),
    ]
    assert len({shown.digest(each) for each in texts}) == len(texts)


def test_break_glass_for_a_target_names_it_first_and_says_what_stays() -> None:
    words = break_glass.for_target(
        "shop",
        "production",
        "7/shop",
        "ann",
        origin="o",
        expires=AT,
        nonce="n" * 32,
        reason="it is\nSIGNED FOR",
    )
    said = shown.text_of_target(words, "production")
    assert said.startswith("BREAK THE GLASS, ALONE, FOR EVERY CHANGE ON shop\nas ann, until ")
    assert "any agent on shop (production)" in said
    assert "a freeze, an open breaker, the halt file" in said
    assert said != shown.text_of_target(words, "staging")


def test_held_changes_that_look_alike_are_named_together() -> None:
    def made(number: int, **more: object) -> Change:
        return msgspec.structs.replace(CHANGE, id=f"CHG-{number}", **more)

    other = (Operation(Action.DELETE, "DELETE", (LOGS,)),)
    changes = [
        made(1), made(2), made(3, operations=other), made(4, state=ChangeState.APPLIED), made(5, agent="x"),
        made(6, content="d" * 64),
    ]  # fmt: skip

    def together(some: list[Change]) -> list[list[str]]:
        return [[change.id for change in group] for group in alike(some) if len(group) > 1]

    assert together(changes) == [["CHG-1", "CHG-2", "CHG-6"]]
    assert together(changes[2:]) == []
