"""What `make test` leaves to `make test-thorough`: the same once more on another version of PostgreSQL, or in another client.

A test that runs on every version runs every day on one of them, and so does an incident in one client beside psycopg. Which, its
name decides: it is the same every time and everywhere, and over all tests each version and each client has its share. The
tests of what differs from version to version (`ON_EVERY_VERSION`) run on each of them every day.
"""

import re
import zlib
from collections.abc import Sequence

import pytest

from interlock.testing.peers.pg_install import PgUnavailable, find_bindir

VERSIONS = ("18", "15")
ON_EVERY_VERSION = ("tests/connectors/postgres/classify", "tests/connectors/postgres/wire")
IN_ONE_CLIENT = "tests/incidents/test_sql_incidents.py"
OTHERS = ("psql", "psql -c", "psycopg in a transaction")
"""The clients of incidents beside psycopg, which is always tried."""
_VERSION = re.compile(r"\b(?:pg)?(18|15)\b")


def left_out(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Those of the tests that need not run every day. Where there is one version only, all run on it."""
    both = _both_versions()
    return [item for item in items if (both and _on_another_version(item)) or _in_another_client(item)]


def _both_versions() -> bool:
    try:
        return bool(find_bindir("15"))
    except PgUnavailable:
        return False


def _on_another_version(item: pytest.Item) -> bool:
    mine = next((found[1] for value in _values(item) if (found := _VERSION.fullmatch(value))), None)
    if mine is None or item.nodeid.startswith(ON_EVERY_VERSION):
        return False
    return _chosen(_VERSION.sub("", item.nodeid), VERSIONS) != mine


def _in_another_client(item: pytest.Item) -> bool:
    client = next((value for value in _values(item) if value in OTHERS), None)
    if client is None or not item.nodeid.startswith(IN_ONE_CLIENT):
        return False
    alone = _VERSION.sub("", item.nodeid).removesuffix(f"-{client}]")
    return _chosen(alone, OTHERS) != client


def _values(item: pytest.Item) -> list[str]:
    """The parameters of a test that are texts."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return [value for value in params.values() if isinstance(value, str)]


def _chosen(name: str, choices: Sequence[str]) -> str:
    return choices[zlib.crc32(name.encode()) % len(choices)]
