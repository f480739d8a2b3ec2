"""One moto in a process of its own and one gateway for the tests of this folder; the account is empty for each."""

import itertools
from collections.abc import Iterator

import pytest
from tests.connectors.aws.undo.gateway.through import Agent
from tests.connectors.aws.undo.rig import REGION, Account

from interlock.runtime.rules import directory
from interlock.testing.peers.moto import AwsGateway, MotoServer


@pytest.fixture(autouse=True, scope="session")
def patient() -> None:
    """A busy machine is no lost store."""
    directory.STALE = 60.0


@pytest.fixture(scope="session")
def moto_process() -> Iterator[MotoServer]:
    nothing_of_awss_own = {"MOTO_IAM_LOAD_MANAGED_POLICIES": "false", "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    with MotoServer.start(nothing_of_awss_own) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(moto_process: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsGateway]:
    """Without budgets, since tests would use up each other's."""
    folder = tmp_path_factory.mktemp("rows")
    top = {"budgets": "none"}
    with AwsGateway(moto_process, folder, regions=(REGION,), agents=(), top=top) as running:
        yield running


_NUMBERS = itertools.count()


@pytest.fixture
def agent(gateway: AwsGateway) -> Agent:
    """An agent of which nothing waits."""
    name = f"bot{next(_NUMBERS)}"
    gateway.add_agent(name)
    return Agent(gateway, name)


@pytest.fixture(scope="session")
def direct(moto_process: MotoServer) -> Account:
    return Account(moto_process.url)


@pytest.fixture
def account(direct: Account, moto_process: MotoServer) -> Account:
    """The account past the gateway, empty."""
    moto_process.reset()
    return direct
