"""Parts that ask side by side: what goes out together, and whom an error reaches."""

from collections.abc import Callable

from interlock.connectors.postgres.queries import (
    OUTDATED,
    Ask,
    On,
    QueryFailed,
    Reply,
    Rows,
    Steps,
    array,
    ident,
    inside,
    inside_rows,
    literal,
    recovery,
    together,
)


def part(on: On, *texts: str) -> Steps[str]:
    """Asks one statement after the other; returns what came back, or the SQLSTATE of an error."""
    said = []
    for text in texts:
        (reply,) = yield (Ask(on, ((text, ()),)),)
        said.append(reply.sqlstate if isinstance(reply, QueryFailed) else str(reply[0][0][0]))
    return " ".join(said)


def answer(question: Ask) -> Reply:
    """Echoes each statement; one that says `fail` fails."""
    rows: list[Rows] = []
    for text, _ in question.statements:
        if text.startswith("fail"):
            return QueryFailed("42501", "no")
        rows.append([(text,)])
    return rows


def drive(
    parts: list[Steps[str]], answer: Callable[[Ask], Reply] = answer
) -> tuple[list[str], list[tuple[Ask, ...]]]:
    steps, asked = together(parts), []
    try:
        step = next(steps)
        while True:
            asked.append(step)
            step = steps.send(tuple(answer(question) for question in step))
    except StopIteration as done:
        return done.value, asked


def test_one_question_for_each_connection_and_round() -> None:
    results, asked = drive(
        [part("agent", "a1", "a2"), part("observer", "b1"), part("agent", "c1", "c2", "c3")]
    )
    assert results == ["a1 a2", "b1", "c1 c2 c3"]
    assert [[question.on for question in step] for step in asked] == [
        ["agent", "observer"],
        ["agent"],
        ["agent"],
    ]
    sent: list[Rows] = [[(text,)] for text, _ in asked[0][0].statements]
    assert inside_rows(sent) == [[("a1",)], [("c1",)]]


def test_an_error_reaches_only_its_own_part() -> None:
    results, asked = drive(
        [part("agent", "a1"), part("agent", "fail", "again"), part("observer", "b1", "fail")]
    )
    assert results == ["a1", "42501 again", "b1 42501"]
    # The failed joint question, the way out of it, each part alone, and again the way out of the failure.
    assert [step[0] for step in asked[1:5]] == [
        recovery(),
        inside([("a1", ())]),
        inside([("fail", ())]),
        recovery(),
    ]


def test_nothing_to_do() -> None:
    assert drive([]) == ([], [])


def test_quoting() -> None:
    assert ident('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"
    assert literal("a\\'b") == "E'a\\\\''b'"
    assert array(['a"b', "c\\d", ""]) == '{"a\\"b","c\\\\d",""}'


def test_what_is_out_of_date_is_asked_once_more() -> None:
    first = True

    def outdated_once(question: Ask) -> Reply:
        nonlocal first
        if first and any(text == "whole" for text, _ in question.statements):
            first = False
            return QueryFailed(OUTDATED)
        return answer(question)

    assert drive([part("agent", "whole")], outdated_once)[0] == ["whole"]
