"""SQS, SNS, EventBridge: each row, op → revert → compare."""

import pytest
from tests.connectors.aws.undo.data.messaging_cases import CASES
from tests.connectors.aws.undo.rig import Account, Case, prove


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
