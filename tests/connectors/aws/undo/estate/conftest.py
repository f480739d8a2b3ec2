"""One set of clients for all tests here: making one takes longer than most of the tests."""

import pytest
from tests.connectors.aws.undo.rig import Account, reset


@pytest.fixture(scope="session")
def clients(moto: str) -> Account:
    """An account whose clients stay."""
    return Account(moto)


@pytest.fixture
def account(clients: Account) -> Account:
    """The account, empty."""
    reset(clients.endpoint)
    clients.made.clear()
    clients.failing.clear()
    return clients
