"""One moto and one gateway for the tests of this folder; budgets are left out, since tests would use up each other's."""

from collections.abc import Iterator

import pytest

from interlock.testing.peers.moto import AwsGateway, MotoServer

TOP = {"budgets": "none"}


@pytest.fixture(scope="session")
def moto_process() -> Iterator[MotoServer]:
    with MotoServer.start({"MOTO_IAM_LOAD_MANAGED_POLICIES": "false"}) as server:
        yield server


@pytest.fixture
def moto(moto_process: MotoServer) -> MotoServer:
    """An empty account."""
    moto_process.reset()
    return moto_process


@pytest.fixture(scope="session")
def _gateway(moto_process: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsGateway]:
    with AwsGateway(moto_process, tmp_path_factory.mktemp("target"), agents=(), top=TOP) as running:
        yield running
