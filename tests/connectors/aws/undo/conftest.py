"""Moto in place of AWS, empty for each test."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.connectors.aws.undo.rig import Account, moto_server, reset


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto."""
    yield from moto_server()


@pytest.fixture(scope="session")
def clients() -> dict[tuple[str, str], Any]:
    """Clients are slow to make."""
    return {}


@pytest.fixture
def account(moto: str, clients: dict[tuple[str, str], Any]) -> Account:
    """An empty account, and the gateway's calls in it."""
    reset(moto)
    return Account(moto, clients)
