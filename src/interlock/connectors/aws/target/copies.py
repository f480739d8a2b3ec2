"""The names of copies that were made before a call whose outcome was never recorded: they were in answers that are lost.

Each copy has a name of the gateway's choice, which stands in the stored plan, and by which the account is asked for it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import CallFailed, Calls
from interlock.connectors.aws.undo.names import fill, search
from interlock.model.base import Value
from interlock.model.errors import Rejected

Parameters = Mapping[str, Any]


class Question(Value, frozen=True):
    """What to ask, and where in the answer the copy's name is."""

    operation: str
    parameters: Parameters
    select: str


def _backup(made: Parameters) -> Question:
    of_it = f"BackupSummaries[?BackupName=='{made['BackupName']}'].BackupArn | [0]"
    return Question("ListBackups", {"TableName": made["TableName"]}, of_it)


def _snapshot(made: Parameters) -> Question:
    named = [{"Name": "description", "Values": [made["Description"]]}]
    return Question("DescribeSnapshots", {"Filters": named}, "Snapshots[0].SnapshotId")


def _image(made: Parameters) -> Question:
    named = [{"Name": "name", "Values": [made["Name"]]}]
    return Question("DescribeImages", {"Filters": named}, "Images[0].ImageId")


def _object(made: Parameters) -> Question:
    return Question("HeadObject", {name: made[name] for name in ("Bucket", "Key")}, "ETag")


_ASK: Mapping[tuple[str, str], Callable[[Parameters], Question]] = {
    ("dynamodb", "CreateBackup"): _backup,
    ("ec2", "CreateSnapshot"): _snapshot,
    ("ec2", "CreateImage"): _image,
    ("s3", "CopyObject"): _object,
}


async def found_again(plan: undo.Plan, calls: Calls) -> dict[str, Any]:
    """What preparing saved, as far as the account knows it. What is not found is not among it: a revert that needs it will
    say so. Raises Unavailable."""
    saved: dict[str, Any] = {}
    for step in plan.prepare:
        ask = _ASK.get((step.service, step.operation))
        if ask is not None and len(step.saves) == 1:
            (name,) = step.saves
            if (value := await _asked(step, ask, calls)) is not None:
                saved[name] = value
    return saved


async def _asked(step: undo.Step, ask: Callable[[Parameters], Question], calls: Calls) -> Any:
    try:
        question = ask(fill(step.parameters, {}))
        answer = await calls.ask(step.service, question.operation, question.parameters, region=step.region)
    except (CallFailed, Rejected, KeyError):
        return None
    return search(question.select, answer)
