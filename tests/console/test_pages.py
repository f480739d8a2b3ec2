"""The console's pages, asked for as a browser does."""

import pytest
from tests.console.conftest import Api, enrolled, logged_in

pytestmark = pytest.mark.anyio

PATHS = (
    "",
    "changes",
    "agents",
    "agents/fixer",
    "people",
    "people/dora",
    "targets",
    "doctor",
    "policy",
    "policy/simulator",
    "ledger",
    "ledger/3",
)


@pytest.mark.parametrize("path", PATHS)
async def test_try(api: Api, path: str) -> None:
    headers = await logged_in(api, await enrolled(api, "dora", "sre", "admin"))
    await api.applied()
    await api.held()
    answer = await api.tcp.get(f"/console/{path}", headers={**headers, "host": "localhost:8470"})
    assert answer.status_code == 200, answer.text
