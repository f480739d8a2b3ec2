"""What a client sends is answered by the gateway as by the server itself: message by message, and the same rows are left behind."""

from typing import Any

import pytest
from tests.connectors.postgres.session import scripts, scripts_more
from tests.connectors.postgres.session.conftest import Twins, play

ALL = {
    f"{family}: {name}": script
    for family, found in (
        ("simple", scripts.SIMPLE),
        ("transactions", scripts.TRANSACTIONS),
        ("settings", scripts.SETTINGS),
        ("extended", scripts.EXTENDED),
        ("copy", scripts.COPY),
        ("calls", scripts_more.CALLS),
        ("two phases", scripts_more.TWO_PHASE),
        ("state", scripts_more.STATE),
    )
    for name, script in found.items()
}


@pytest.mark.parametrize("name", ALL)
def test_answers_as_the_server_does(twins: Twins, name: str) -> None:
    script: list[list[Any]] = ALL[name]
    twins.fill()
    with twins.past() as client:
        expected = play(client, script)
    with twins.through() as client:
        assert play(client, script) == expected
    behind, direct = twins.rows()
    assert behind == direct
