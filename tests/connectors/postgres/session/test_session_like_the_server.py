"""What a client sends is answered by the gateway as by the server itself: message by message, and the same rows are left behind."""

from functools import partial
from typing import Any

import pytest
from tests.connectors.postgres.session import scripts, scripts_more
from tests.connectors.postgres.session.conftest import Twins, play
from tests.connectors.postgres.session.rawclient import short
from tests.real.conftest import until

from interlock.connectors.postgres.codec import frontend as f

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


@pytest.mark.parametrize("before", ["SELECT 1", "BEGIN; INSERT INTO t VALUES (100, 'x')"])
def test_a_session_that_is_terminated_hears_it_as_from_the_server(twins: Twins, before: str) -> None:
    """One error, the server's own; then the end."""
    twins.fill()
    said = []
    for client_of, database in ((twins.past, twins.direct), (twins.through, twins.gateway.database)):
        with client_of() as client:
            client.ask(f.Query(before))
            client.send(f.Query("SELECT pg_sleep(300)"))
            asleep = f"pid = {client.key.pid} AND wait_event = 'PgSleep'"
            until(partial(database.psql, f"SELECT 1 FROM pg_stat_activity WHERE {asleep}"))
            database.psql(f"SELECT pg_terminate_backend({client.key.pid})")
            said.append(short(client.until_ready()))
    assert said[0] == said[1]
    assert twins.rows()[0] == twins.rows()[1]
