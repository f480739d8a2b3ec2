"""One gateway for all clients; budgets are left out, since the tests would use up each other's."""

from collections.abc import Iterator

import pytest
from tests.real.aws.clients.rig import Cloud

from interlock.testing.peers.moto import AwsGateway, MotoServer

TOP = {"budgets": "none"}


@pytest.fixture(scope="session")
def _cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("aws-clients")
    quick = {"MOTO_IAM_LOAD_MANAGED_POLICIES": "false"}  # they are read again whenever the account is emptied
    with MotoServer.start(quick) as moto, AwsGateway(moto, folder, agents=(), top=TOP) as gateway:
        yield Cloud(moto, gateway)


@pytest.fixture
def cloud(_cloud: Cloud) -> Cloud:
    """An empty account and a new agent."""
    _cloud.fresh()
    return _cloud
