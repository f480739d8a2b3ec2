"""Every row that moto can try: boto3 makes the call through the gateway, a person reverts it, and the state is as it was."""

import pytest
from tests.connectors.aws.undo.data.test_aws_undo_data_cases import CASES as DATA
from tests.connectors.aws.undo.estate.test_aws_undo_estate import CASES as ESTATE
from tests.connectors.aws.undo.gateway.through import Agent, prove_through
from tests.connectors.aws.undo.rig import Account, Case

ROWS: dict[tuple[str, str], Case] = {}
for each in (*DATA, *ESTATE):
    ROWS.setdefault(each.call[:2], each)
"""The first case of each row: `data` and `estate` try all of them, without the gateway."""

WITHOUT = {
    ("iam", "CreateAccessKey"): "the gateway refuses it, whoever asks",
    ("lambda", "UpdateFunctionCode"): "moto names an address at AWS for the code",
    ("lambda", "DeleteFunction"): "moto names an address at AWS for the code",
}
"""Rows that cannot be tried this way."""


@pytest.mark.parametrize(
    "case",
    [case for row, case in ROWS.items() if row not in WITHOUT],
    ids=lambda case: ":".join(case.call[:2]),
)
def test_comes_back_through_the_gateway(agent: Agent, account: Account, case: Case) -> None:
    prove_through(agent, account, case)
