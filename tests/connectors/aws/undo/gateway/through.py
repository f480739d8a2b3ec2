"""A case as the gateway goes its way: boto3 as an agent makes the call, people approve it where they must, and a revert brings
the state back."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from tests.connectors.aws.undo.rig import REGION, Account, Case, World, same_as

from interlock.connectors.aws.undo.names import fill
from interlock.model.change import Change, ChangeState
from interlock.model.effect import Evidence
from interlock.sdk.connector import Held, Permitted
from interlock.testing.peers.moto import AwsGateway


class Agent:
    """boto3 as an agent."""

    def __init__(self, gateway: AwsGateway, name: str) -> None:
        self.gateway, self.name = gateway, name

    def make(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Change:
        """Make a call, with two people where they are needed; the change, applied."""
        before = {change.id for change in self.gateway.changes(agent=self.name)}
        why = ""
        try:
            client = self.gateway.client(service, self.name, region=REGION, retries={"total_max_attempts": 1})
            client._make_api_call(operation, dict(parameters))
        except ClientError as error:
            why = str(error)
        new = [change for change in self.gateway.changes(agent=self.name) if change.id not in before]
        assert len(new) == 1, (new, why)
        (change,) = new
        if change.state is ChangeState.HELD:
            self.gateway.approve(change.id)
            answer = self.gateway.apply(change.id)
            assert isinstance(answer, Permitted), answer
        change = self.gateway.change(change.id)
        assert change.state is ChangeState.APPLIED, (change.state, why)
        return change


def reverted(gateway: AwsGateway, change: Change) -> None:
    """A person reverts it; others approve that where they must."""
    answer = gateway.revert(change.id)
    if isinstance(answer, Held):
        gateway.approve(answer.change.id, "ben", "cho")  # ann asked for it
        answer = gateway.apply(answer.change.id)
    assert isinstance(answer, Permitted), answer
    now = gateway.change(change.id)
    lost = [effect for effect in change.measurement.effects if effect.count and not effect.reversible]
    assert now.state is (ChangeState.PARTLY_REVERTED if lost else ChangeState.REVERTED)
    # Nobody can look into what some calls do: people are told so, and what the before-image holds comes back all the same.
    assert [effect.reason for effect in lost if effect.evidence is not Evidence.UNKNOWN] == []


def prove_through(agent: Agent, account: Account, case: Case) -> None:
    """op → revert → compare."""
    world = World(account, case)
    before = world.state()
    service, operation, parameters = case.call
    change = agent.make(service, operation, fill(parameters, world.saved))
    assert (world.state() != before) is case.changes
    assert change.measurement.undo_how == case.kind, change.measurement.effects
    reverted(agent.gateway, change)
    same_as(before, world.state(), case.differs)
