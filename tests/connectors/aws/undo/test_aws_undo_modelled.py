"""Call, revert, compare, and revert again: settings that moto has nothing of."""

from typing import Any

import pytest
from tests.connectors.aws.undo.modelled import CASES, Modelled
from tests.connectors.aws.undo.rig import Case, prove, reset


@pytest.fixture
def account(moto: str, clients: dict[tuple[str, str], Any]) -> Modelled:
    reset(moto)
    return Modelled(moto, clients)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.call[1]}: {case.name}")
def test_comes_back(account: Modelled, case: Case) -> None:
    if case.call[0] == "s3":
        where = {"LocationConstraint": account.region}
        account.say("s3", "CreateBucket", {"Bucket": "data", "CreateBucketConfiguration": where})
    prove(account, case)
