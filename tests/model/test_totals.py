"""Effects in numbers."""

import pytest

from interlock.model.effect import ChangeKind, Effect, Totals, Unit, totals
from interlock.model.operation import Resource

QUEUE = Resource("sqs:queue", "jobs")


@pytest.mark.parametrize(
    ("change", "reversible", "expected"),
    [
        (ChangeKind.CREATED, False, Totals(messages_sent=7)),
        (ChangeKind.DELETED, False, Totals(messages_taken=7)),
        (ChangeKind.UPDATED, True, Totals(rows_updated=7)),
        # Only what is handed on is counted by itself: anything else about messages is as grave as it is elsewhere.
        (ChangeKind.UPDATED, False, Totals(rows_updated=7, irreversible=1)),
        (ChangeKind.MOVED, False, Totals(unknown=7, irreversible=1)),
    ],
)
def test_messages(change: ChangeKind, reversible: bool, expected: Totals) -> None:
    found = totals([Effect(QUEUE, change, 7, Unit.MESSAGES, reversible=reversible)])
    assert found == expected
    assert found.rows == (0 if expected.unknown else 7), "a grant's max_rows is for messages too"


def test_messages_beside_what_is_lost() -> None:
    sent = Effect(QUEUE, ChangeKind.CREATED, 1, Unit.MESSAGES)
    lost = Effect(QUEUE, ChangeKind.DELETED, 5, Unit.ITEMS, before=5)
    assert totals([sent, lost]) == Totals(messages_sent=1, rows_deleted=5, tables_emptied=1, irreversible=1)
