"""Surfaces of incidents that no connector serves: what a configuration asks of them is refused at the start, by name, and of what
is replayed here nothing is passed over in silence."""

from pathlib import Path

import pytest
from tests.incidents import test_aws_incidents, test_sql_incidents

from interlock.model.errors import Misconfigured
from interlock.runtime.targets import connectors
from interlock.testing.served import ServedGateway


@pytest.mark.parametrize("kind", ["kubernetes", "shell", "git", "mcp", "http", "postgresql"])
def test_a_connector_that_is_not_there_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Misconfigured, match=f"no connector '{kind}'"):
        connectors.load(kind)
    gateway = ServedGateway(
        tmp_path, "thing", {"connector": kind, "environment": "production", "listen": "127.0.0.1:0"}
    )
    with pytest.raises(Misconfigured, match=kind):
        gateway.start()


def test_every_incident_of_ours_is_replayed() -> None:
    replayed = {i["id"] for i in (*test_sql_incidents.ALL, *test_aws_incidents.ALL)}
    files = [*test_sql_incidents.OWN, *test_aws_incidents.OWN]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    assert len(lines) == len(replayed)
