"""Call, revert, compare, and revert again: each row of the data services that moto can try."""

import pytest
from tests.connectors.aws.undo.data import (
    dynamodb_cases,
    functions_cases,
    keys_cases,
    messaging_cases,
    s3_bucket_cases,
    s3_cases,
    watching_cases,
)
from tests.connectors.aws.undo.rig import Account, Case, prove

CASES = [
    case
    for cases in (
        s3_cases,
        s3_bucket_cases,
        dynamodb_cases,
        messaging_cases,
        functions_cases,
        keys_cases,
        watching_cases,
    )
    for case in cases.CASES
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.call[0]}: {case.name}")
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
