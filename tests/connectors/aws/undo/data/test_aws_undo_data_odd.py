"""What is out of the ordinary: large objects, lost versions, tables without backups, what others made again."""

from typing import Any

import msgspec
import pytest
from tests.connectors.aws.undo.data import dynamodb_cases, keys_cases
from tests.connectors.aws.undo.data.s3_cases import LARGE_PART, MAKE, RICH, SUSPENDED, VERSIONED, B, put, seen
from tests.connectors.aws.undo.rig import (
    NONCE,
    REGION,
    Account,
    Case,
    Undoing,
    World,
    call_of,
    classified,
    prove,
    run,
)

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.undo.data.dynamodb import copies
from interlock.connectors.aws.undo.data.s3 import aside, objects, trash
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Plan
from interlock.connectors.aws.undo.result import Completed
from interlock.connectors.aws.undo.store import pack
from interlock.model.errors import Rejected

THE_A = {**B, "Key": "a"}
KEPT = {"Bucket": f"interlock-trash-123456789012-{REGION}"}
TABLE = dynamodb_cases.T


def say(account: Account, *asked: Any) -> None:
    for service, operation, parameters, *_ in asked:
        account.say(service, operation, parameters)


def test_a_large_object_is_copied_in_parts(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest part that the service takes stands in for 5 GiB."""
    monkeypatch.setattr(aside, "LARGEST_COPY", LARGE_PART)
    large = put(
        "a",
        bytes(range(256)) * (2 * LARGE_PART // 256) + b"end",
        ContentType="text/x-odd",
        Tagging="x=y&z=%C3%BC",
    )
    case = Case(
        name="delete",
        kind="copy",
        given=(MAKE, large),
        call=("s3", "DeleteObject", THE_A),
        state=(
            ("s3", "GetObject", THE_A, "[Body, ContentType]"),
            ("s3", "GetObjectTagging", THE_A, "sort_by(TagSet, &Key)"),
        ),
    )
    prove(account, case)
    assert account.made.count("s3:UploadPartCopy") == 6


def test_what_cannot_be_copied_is_lost(account: Account) -> None:
    say(account, MAKE, put("a", StorageClass="DEEP_ARCHIVE"), put("b"))
    both = {**B, "Delete": {"Objects": [{"Key": "a"}, {"Key": "b"}]}}
    plan = Undoing(account, "s3", "DeleteObjects", both).plan
    assert (plan.kind, list(plan.lost)) == ("copy", ["arn:aws:s3:::data/a"])
    alone = Undoing(account, "s3", "DeleteObject", THE_A).plan
    assert (alone.kind, "archived" in alone.reason) == ("none", True)


def test_an_older_version_is_lost(account: Account) -> None:
    say(account, MAKE, VERSIONED)
    first = account.say("s3", "PutObject", {**THE_A, "Body": b"1"})["VersionId"]
    account.say("s3", "PutObject", {**THE_A, "Body": b"2"})
    undoing = Undoing(account, "s3", "DeleteObject", {**THE_A, "VersionId": first})
    assert (undoing.plan.kind, "VersionId" in undoing.plan.gentler) == ("none", True)


def test_deleting_a_version_that_is_not_there_hides_nothing(account: Account) -> None:
    say(account, MAKE, VERSIONED)
    account.say("s3", "PutObject", {**THE_A, "Body": b"1"})
    undoing = Undoing(
        account, "s3", "DeleteObject", {**THE_A, "VersionId": "b5d4ec2b-0000-4000-8000-000000000000"}
    )
    undoing.make()
    undoing.revert()
    assert account.say("s3", "GetObject", THE_A)["Body"] == b"1"


def test_all_versions_of_many_keys(account: Account) -> None:
    """Emptying a bucket version by version: what was current comes back."""
    say(account, MAKE, VERSIONED)
    versions = [
        {
            "Key": key,
            "VersionId": account.say("s3", "PutObject", {**B, "Key": key, "Body": body})["VersionId"],
        }
        for key, body in (("a", b"1"), ("a", b"2"), ("b", b"3"))
    ]
    undoing = Undoing(account, "s3", "DeleteObjects", {**B, "Delete": {"Objects": versions}})
    assert (undoing.plan.kind, list(undoing.plan.lost)) == ("new_id", ["arn:aws:s3:::data/a"])
    undoing.make()
    assert undoing.revert().failed == ""
    found = [account.say("s3", "GetObject", {**B, "Key": key})["Body"] for key in "ab"]
    assert found == [b"2", b"3"]


def test_while_versioning_is_suspended_versions_stay_below(account: Account) -> None:
    """Moto forgets them, so the plan is looked at: S3 user guide, "Adding objects to versioning-suspended buckets"."""
    say(account, MAKE, VERSIONED, RICH, SUSPENDED)
    over = Undoing(account, "s3", "PutObject", {**THE_A, "Body": b"new"}).plan
    assert (over.kind, [step.parameters.get("VersionId") for step in over.inverse]) == ("new_id", ["null"])
    gone = Undoing(account, "s3", "DeleteObject", THE_A).plan
    assert (gone.kind, [step.operation for step in gone.inverse]) == (
        "full",
        ["ListObjectVersions", "DeleteObject"],
    )


def test_the_trash_itself_is_not_undone(account: Account) -> None:
    say(account, MAKE, put("a"))
    Undoing(account, "s3", "DeleteObject", THE_A).make()
    plan = Undoing(account, "s3", "DeleteObject", {**KEPT, "Key": f"interlock-{NONCE}/0"}).plan
    assert (plan.kind, "copies" in plan.reason) == ("none", True)


def test_the_trash_is_closed_and_the_accounts_own(account: Account) -> None:
    say(account, MAKE, put("a"))
    undoing = Undoing(account, "s3", "DeleteObject", THE_A)
    undoing.make()
    block = account.say("s3", "GetPublicAccessBlock", KEPT)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    owned = [
        step.parameters.get("ExpectedBucketOwner")
        for step in undoing.plan.prepare
        if step.operation != "CreateBucket"
    ]
    assert owned == ["123456789012", "123456789012"]


def test_a_target_names_its_own_trash(account: Account) -> None:
    account.trash_bucket = "mine"
    assert trash.bucket(Here(account, REGION)) == "mine"


def test_thousand_objects_in_one_call(account: Account) -> None:
    say(account, MAKE)
    keys = [f"k{number}" for number in range(60)]
    for key in keys:
        account.say("s3", "PutObject", {**B, "Key": key, "Body": key.encode()})
    objects_ = {**B, "Delete": {"Objects": [{"Key": key} for key in keys], "Quiet": True}}
    undoing = Undoing(account, "s3", "DeleteObjects", objects_)
    undoing.make()
    assert account.say("s3", "ListObjectsV2", B)["KeyCount"] == 0
    assert undoing.revert().steps == 60
    assert account.say("s3", "GetObject", {**B, "Key": "k59"})["Body"] == b"k59"


def test_a_whole_bucket_is_kept(account: Account) -> None:
    say(account, MAKE, put("a"), put("b"))
    plan = run(objects.keep(Here(account, REGION), "data", NONCE, first=7))
    assert [step.parameters["Key"] for step in plan.discard] == [
        f"interlock-{NONCE}/7",
        f"interlock-{NONCE}/8",
    ]
    assert run(objects.keep(Here(account, REGION), "data", NONCE, limit=1)).kind == "none"


def test_a_bucket_that_was_filled_since_is_not_deleted(account: Account) -> None:
    undoing = Undoing(account, *MAKE)
    undoing.make()
    say(account, put("a"))
    with pytest.raises(Rejected, match=r"^bucket data and its objects: changed since$"):
        undoing.revert()


def test_a_table_that_was_filled_since_is_not_deleted(account: Account) -> None:
    undoing = Undoing(account, *dynamodb_cases.MAKE)
    undoing.make()
    say(account, dynamodb_cases.put("a"))
    with pytest.raises(Rejected, match=r"^the items of table orders: changed since$"):
        undoing.revert()


def test_a_table_that_was_made_again_is_a_conflict(account: Account) -> None:
    """The incident: deleted and created again, empty."""
    say(account, dynamodb_cases.MAKE, dynamodb_cases.put("a"))
    undoing = Undoing(account, "dynamodb", "DeleteTable", TABLE)
    undoing.make()
    say(account, dynamodb_cases.MAKE)
    with pytest.raises(Rejected, match="table orders: made since"):
        undoing.revert()
    assert "TableAlreadyExists" in undoing.revert(force=True).failed


NO_BACKUPS = CallFailed("UnknownOperationException", 400)


def test_without_backups_items_are_copied(account: Account) -> None:
    account.failing["dynamodb:ListBackups"] = NO_BACKUPS
    case = Case(
        name="delete table",
        kind="new_id",
        given=(
            dynamodb_cases.PROVISIONED,
            dynamodb_cases.put("a"),
            dynamodb_cases.put("b"),
            dynamodb_cases.EXPIRE,
        ),
        call=("dynamodb", "DeleteTable", TABLE),
        state=dynamodb_cases.WHOLE,
    )
    prove(account, case)
    assert "dynamodb:CreateBackup" not in account.made


def test_too_many_items_are_not_copied(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.failing["dynamodb:ListBackups"] = NO_BACKUPS
    say(account, *dynamodb_cases.GIVEN)
    monkeypatch.setattr(copies, "MOST_ITEMS", 2)
    assert Undoing(account, "dynamodb", "DeleteTable", TABLE).plan.kind == "none"
    monkeypatch.setattr(copies, "MOST_ITEMS", 3)
    assert Undoing(account, "dynamodb", "DeleteTable", TABLE).plan.kind == "new_id"
    monkeypatch.setattr(copies, "MOST_BYTES", 100)
    assert Undoing(account, "dynamodb", "DeleteTable", TABLE).plan.kind == "none"


def test_when_the_backup_fails_the_table_stays(account: Account) -> None:
    say(account, *dynamodb_cases.GIVEN)
    account.failing["dynamodb:CreateBackup"] = CallFailed("LimitExceededException", 400)
    with pytest.raises(CallFailed):
        Undoing(account, "dynamodb", "DeleteTable", TABLE).make()
    assert len(account.say("dynamodb", "Scan", TABLE)["Items"]) == 3


def test_the_backup_is_discarded(account: Account) -> None:
    say(account, *dynamodb_cases.GIVEN)
    undoing = Undoing(account, "dynamodb", "DeleteTable", TABLE)
    undoing.make()
    undoing.revert()
    undoing.discard()
    assert account.say("dynamodb", "ListBackups", {})["BackupSummaries"] == []


def test_an_item_that_was_changed_since_is_named_without_its_values(account: Account) -> None:
    say(account, *dynamodb_cases.GIVEN)
    requests = [{"DeleteRequest": {"Key": dynamodb_cases.key(name)}} for name in ("a", "b")]
    undoing = Undoing(account, "dynamodb", "BatchWriteItem", {"RequestItems": {"orders": requests}})
    undoing.make()
    say(account, dynamodb_cases.put("b", who={"S": "somebody"}))
    assert undoing.conflicts() == ("an item of table orders (the 2. that the call writes): made since",)


def test_texts_for_people_hold_no_values(account: Account) -> None:
    say(account, dynamodb_cases.MAKE, dynamodb_cases.put("sensitive-key", who={"S": "sensitive"}))
    undoing = Undoing(
        account, "dynamodb", "DeleteItem", {**TABLE, "Key": dynamodb_cases.key("sensitive-key")}
    )
    plan = undoing.plan
    texts = [
        *(check.what for check in plan.checks),
        *plan.caveats,
        plan.reason,
        plan.gentler,
        *plan.lost.values(),
    ]
    assert not any("sensitive" in text for text in texts)


def test_no_value_of_a_secret_is_read(account: Account) -> None:
    world = World(
        account,
        Case(
            name="put",
            given=(keys_cases.SECRET,),
            call=("secretsmanager", "PutSecretValue", {"SecretId": "db", "SecretString": "evil"}),
            state=(),
        ),
    )
    account.made.clear()
    undoing = world.undoing()
    undoing.make()
    undoing.revert()
    assert "secretsmanager:GetSecretValue" not in account.made
    stored = b"".join((*pack(undoing.plan), *undoing.completed.parts))
    assert not any(value in stored for value in (b"hunter2", b"evil"))


def test_a_function_whose_code_cannot_be_fetched(account: Account) -> None:
    from tests.connectors.aws.undo.data.functions_cases import GIVEN, NEW_CODE

    class Blind(Account):
        async def download(self, url: str, *, limit: int) -> bytes:
            raise CallFailed("TooLarge", 413)

    blind = Blind(account.endpoint, account.clients)
    say(blind, *GIVEN)
    plan = Undoing(blind, "lambda", "UpdateFunctionCode", NEW_CODE).plan
    assert (plan.kind, plan.reason) == ("none", "its code cannot be fetched (TooLarge)")


def test_a_plan_is_data(account: Account) -> None:
    """Nothing of it depends on the process that made it."""
    say(account, MAKE, RICH)
    plan = run(undo.plan(classified(call_of("s3", "DeleteObject", THE_A)), account, NONCE))
    assert msgspec.convert(msgspec.to_builtins(plan), Plan) == plan
    saved = run(undo.prepare(plan, account, {}))
    account.say("s3", "DeleteObject", THE_A)
    completed = Completed(saved, run(undo.complete(plan, {}, account, saved)).checks)
    assert run(undo.revert(plan, completed, Account(account.endpoint), force=False)).failed == ""
    assert [account.say(*read[:3]) for read in seen("a")][1]["Body"] == b"old"
