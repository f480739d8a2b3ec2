"""The way of an undo: conflicts, force, crashes, failures; with parameters of the Parameter Store and objects as the example."""

from typing import Any

import pytest
from tests.connectors.aws.undo.rig import NONCE, REGION, Account, Undoing, call_of, classified, run

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.undo import names, registry
from interlock.connectors.aws.undo.compare import fingerprint, present, same
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step, literal
from interlock.connectors.aws.undo.result import Completed
from interlock.connectors.aws.undo.steps import run as run_steps
from interlock.model.errors import Rejected

P = {"Name": "/app/p"}
BUCKET = {"Bucket": "data", "CreateBucketConfiguration": {"LocationConstraint": REGION}}
SECRET = "hunter2-and-more"


def put(account: Account, value: str, kind: str = "String") -> None:
    account.say("ssm", "PutParameter", {**P, "Value": value, "Type": kind, "Overwrite": True})


def value(account: Account) -> Any:
    return account.say("ssm", "GetParameter", {**P, "WithDecryption": True})["Parameter"]["Value"]


def overwritten(account: Account) -> Undoing:
    """A parameter that was `old`, and that the call made `new`."""
    put(account, "old")
    undoing = Undoing(
        account, "ssm", "PutParameter", {**P, "Value": "new", "Type": "String", "Overwrite": True}
    )
    undoing.make()
    return undoing


def test_what_was_changed_since_is_a_conflict(account: Account) -> None:
    undoing = overwritten(account)
    put(account, "somebody's")
    assert undoing.conflicts() == ("parameter /app/p: changed since",)
    with pytest.raises(Rejected, match=r"^parameter /app/p: changed since$"):
        undoing.revert()
    assert value(account) == "somebody's"


def test_force_overrides_it_and_says_so(account: Account) -> None:
    undoing = overwritten(account)
    put(account, "somebody's")
    reverted = undoing.revert(force=True)
    assert [str(since) for since in reverted.conflicts] == ["parameter /app/p: changed since"]
    assert value(account) == "old"


def test_what_is_gone_is_a_conflict(account: Account) -> None:
    undoing = overwritten(account)
    account.say("ssm", "DeleteParameter", P)
    assert undoing.conflicts() == ("parameter /app/p: gone",)


def test_what_was_made_again_is_a_conflict(account: Account) -> None:
    put(account, "old")
    undoing = Undoing(account, "ssm", "DeleteParameter", P)
    undoing.make()
    put(account, "a,b", "StringList")
    assert undoing.conflicts() == ("parameter /app/p: made since",)


def test_what_cannot_be_read_is_a_conflict(account: Account) -> None:
    undoing = overwritten(account)
    account.failing["ssm:GetParameter"] = CallFailed("AccessDenied", 403)
    assert undoing.conflicts() == ("parameter /app/p: cannot be compared with what the call left",)
    with pytest.raises(Rejected):
        undoing.revert()


def test_without_a_stored_outcome_only_force_reverts(account: Account) -> None:
    undoing = overwritten(account)
    undoing.completed = Completed()
    with pytest.raises(Rejected, match="cannot be compared"):
        undoing.revert()
    assert undoing.revert(force=True).failed == ""
    assert value(account) == "old"


def test_what_is_as_before_is_left_alone(account: Account) -> None:
    undoing = overwritten(account)
    put(account, "old")
    account.made.clear()
    assert undoing.revert().already
    assert account.made == ["ssm:GetParameter"]


def test_a_revert_that_breaks_off_goes_on_when_run_again(account: Account) -> None:
    account.say("s3", "CreateBucket", BUCKET)
    policy = '{"Version": "2012-10-17", "Statement": []}'
    account.say("s3", "PutBucketPolicy", {"Bucket": "data", "Policy": policy})
    undoing = Undoing(account, "s3", "DeleteBucket", {"Bucket": "data"})
    undoing.make()
    account.failing["s3:PutBucketPolicy"] = CallFailed("SlowDown", 503)
    reverted = undoing.revert()
    assert (reverted.failed, reverted.steps) == ("the service answered SlowDown (503)", 1)
    del account.failing["s3:PutBucketPolicy"]
    assert undoing.revert().failed == ""
    assert account.say("s3", "GetBucketPolicy", {"Bucket": "data"})["Policy"] == policy


def test_when_a_copy_fails_nothing_is_done_and_nothing_left(account: Account) -> None:
    account.say("s3", "CreateBucket", BUCKET)
    for key in ("a", "b"):
        account.say("s3", "PutObject", {"Bucket": "data", "Key": key, "Body": b"x"})
    objects = {"Objects": [{"Key": "a"}, {"Key": "b"}]}
    undoing = Undoing(account, "s3", "DeleteObjects", {"Bucket": "data", "Delete": objects})
    account.say("s3", "DeleteObject", {"Bucket": "data", "Key": "b"})  # so that its copy fails
    with pytest.raises(CallFailed):
        undoing.make()
    kept = {"Bucket": f"interlock-trash-{account.account}-{REGION}"}
    assert account.say("s3", "ListObjectsV2", kept).get("Contents", []) == []
    assert account.say("s3", "ListObjectsV2", {"Bucket": "data"})["Contents"][0]["Key"] == "a"


def test_discarding_removes_the_copies(account: Account) -> None:
    account.say("s3", "CreateBucket", BUCKET)
    account.say("s3", "PutObject", {"Bucket": "data", "Key": "a", "Body": b"x"})
    undoing = Undoing(account, "s3", "DeleteObject", {"Bucket": "data", "Key": "a"})
    undoing.make()
    kept = {"Bucket": f"interlock-trash-{account.account}-{REGION}"}
    assert [each["Key"] for each in account.say("s3", "ListObjectsV2", kept)["Contents"]] == [
        f"interlock-{NONCE}/0"
    ]
    undoing.discard()
    assert account.say("s3", "ListObjectsV2", kept).get("Contents", []) == []


def test_what_no_row_covers_says_so(account: Account) -> None:
    plan = run(undo.plan(classified(call_of("braket", "CreateJob", {})), account, NONCE))
    assert plan == undo.NOTHING
    with pytest.raises(Rejected, match="no before-image of this operation is known"):
        run(undo.revert(plan, Completed(), account, force=True))


def test_what_cannot_be_read_cannot_be_undone(account: Account) -> None:
    account.failing["kms:DescribeKey"] = CallFailed("AccessDenied", 403)
    plan = run(undo.plan(classified(call_of("kms", "DisableKey", {"KeyId": "k"})), account, NONCE))
    assert (plan.kind, plan.reason) == ("none", "its present state cannot be read (AccessDenied)")


def test_each_call_of_a_plan_is_made_where_the_original_was(account: Account) -> None:
    call = call_of("ssm", "PutParameter", {**P, "Value": "x"}, region="us-west-2")
    plan = run(undo.plan(classified(call), account, NONCE))
    regions = {step.region for step in plan.inverse} | {check.region for check in plan.checks}
    assert regions == {"us-west-2"}


def test_secrets_are_in_nothing_that_is_stored(account: Account) -> None:
    put(account, SECRET, "SecureString")
    for operation, parameters in (
        ("DeleteParameter", P),
        ("PutParameter", {**P, "Value": "x", "Overwrite": True}),
    ):
        undoing = Undoing(account, "ssm", operation, parameters)
        undoing.make()
        for stored in (repr(undoing.plan), repr(undoing.completed)):
            assert SECRET not in str(stored)
        undoing.revert()
        assert value(account) == SECRET


def test_a_secret_lives_as_long_as_one_run(account: Account) -> None:
    put(account, SECRET, "SecureString")
    asked = {**P, "WithDecryption": True}
    prepare = (
        Step(
            "ssm",
            "GetParameter",
            asked,
            saves={"secret_value": "Parameter.Value", "version": "Parameter.Version"},
        ),
    )
    assert run(undo.prepare(Plan("full", prepare), account, {})) == {"version": 1}


def steps(account: Account, *some: Step, **saved: Any) -> int:
    ran = run(run_steps(some, Here(account, REGION), saved))
    ran.well()
    return ran.made


def test_a_step_is_left_out_when_there_is_nothing_to_do(account: Account) -> None:
    put(account, "old")
    check = Check("", "ssm", "GetParameter", P, "Parameter.Value", before="old")
    gone = Step("ssm", "DeleteParameter", P, unless=check)
    assert steps(account, gone) == 0
    put(account, "new")
    assert steps(account, gone) == 1


def test_a_step_is_asked_until_its_answer_is_as_wanted(account: Account) -> None:
    put(account, "old")
    assert steps(account, Step("ssm", "GetParameter", P, until="Parameter.Value == 'old'")) == 1
    with pytest.raises(CallFailed, match="NotYet"):
        steps(account, Step("ssm", "GetParameter", P, until="Parameter.Value == 'never'"))
    assert account.made.count("ssm:GetParameter") > 10


def test_what_is_absent_or_present_already_is_well_where_that_was_said(account: Account) -> None:
    account.say("sqs", "CreateQueue", {"QueueName": "q", "Attributes": {"DelaySeconds": "1"}})
    for step in (Step("ssm", "DeleteParameter", P), Step("sqs", "CreateQueue", {"QueueName": "q"})):
        well = Step(step.service, step.operation, step.parameters, absent_ok=True, present_ok=True)
        assert steps(account, well) == 1
    with pytest.raises(CallFailed):
        steps(account, Step("ssm", "DeleteParameter", P, present_ok=True))


def test_somebody_elses_bucket_is_not_one_that_exists_already() -> None:
    assert present(CallFailed("BucketAlreadyOwnedByYou", 409))
    assert not present(CallFailed("BucketAlreadyExists", 409))
    assert present(
        CallFailed("ResourceConflictException", 409, "The statement id (s) provided already exists.")
    )
    assert not present(CallFailed("ResourceConflictException", 409, "An update is in progress for resource"))


def test_names_stand_for_what_was_saved() -> None:
    saved = {"id": "i-1", "bytes": b"x"}
    asked = {
        "Id": "${id}",
        "Arn": "arn:${id}/y",
        "Body": "${bytes}",
        "Policy": "${aws:username}",
        "Deep": [{"x": "${id}"}],
    }
    filled = {
        "Id": "i-1",
        "Arn": "arn:i-1/y",
        "Body": b"x",
        "Policy": "${aws:username}",
        "Deep": [{"x": "i-1"}],
    }
    assert names.fill(asked, saved) == filled
    with pytest.raises(Rejected, match="named no other"):
        names.fill({"Id": "${other}"}, saved)


@pytest.mark.parametrize(
    "text", ["${id}", "$${id}", "$$${id}", "${", "$", "a${id}b", "${a:b}", "$${", "${id", ""]
)
def test_data_is_never_taken_for_a_name(text: str) -> None:
    assert names.fill(literal({"a": [text]}), {"id": "x"}) == {"a": [text]}


@pytest.mark.parametrize(
    "value", [None, {}, [], "", "x", 0, False, {"a": [1, b"x"]}, {"a": "y" * 999}, ["$bytes"], {"$b": 1}]
)
def test_what_is_the_same_is_the_same(value: Any) -> None:
    assert same(fingerprint(value), value)
    assert not same(fingerprint(value), {"other": value})
    assert "y" * 99 not in str(fingerprint(value))


def test_no_operation_has_two_rows() -> None:
    rows = registry.table()
    assert all(key == (row.service, row.operation) for key, row in rows.items())
    assert {row.kind for row in rows.values()} == {"full", "copy", "new_id", "none"}
