"""Many objects at once: pages of listings say the same as one question for each object, and are far fewer."""

import itertools
from typing import Any

import pytest
from tests.connectors.aws.undo.data.s3_cases import MAKE, OBJECTS, SUSPENDED, VERSIONED, B, objects, put, seen
from tests.connectors.aws.undo.rig import ACCOUNT, REGION, Account, Case, Undoing, prove, run

from interlock.connectors.aws.call import CallFailed, Classified
from interlock.connectors.aws.classify import Scope, classify
from interlock.connectors.aws.target.image import image_of
from interlock.connectors.aws.undo import listing
from interlock.connectors.aws.undo.data.s3 import aside
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.verbs.levels import installed_levels

NAMES = tuple(f"in/{number:02} ü+%2F//${{x}}" for number in range(listing.FEW + 5))
SCOPE = Scope("production", ACCOUNT, region=REGION)


def filled(account: Account, *more: Any) -> None:
    """A bucket with these objects, each with what only itself tells, and others beside them."""
    given = [
        put(name, name.encode(), Metadata={"n": str(n)}, StorageClass="STANDARD_IA")
        for n, name in enumerate(NAMES)
    ]
    for service, operation, parameters, *_ in (MAKE, *more, *given, put("in/zz"), put("other")):
        account.say(service, operation, parameters)


def world(account: Account) -> list[Any]:
    """Everything that is to be seen of the objects."""
    found = []
    for name in NAMES:
        for service, operation, parameters, _ in seen(name):
            answer = account.say(service, operation, parameters)
            found.append({k: v for k, v in answer.items() if k not in ("LastModified", "VersionId")})
    return found


def asked(account: Account, work: Any) -> dict[str, int]:
    """How often each question was asked while something was done."""
    account.made.clear()
    work()
    return {name: account.made.count(name) for name in sorted(set(account.made))}


def deleting(account: Account, *more: str) -> Undoing:
    return Undoing(account, "s3", "DeleteObjects", objects(*NAMES, *more))


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one object is looked up in a listing."""
    monkeypatch.setattr(listing, "FEW", 0)


@pytest.mark.parametrize("case", OBJECTS, ids=[case.name for case in OBJECTS])
def test_each_case_of_an_object_comes_back_over_listings_too(
    account: Account, listed: None, case: Case
) -> None:
    prove(account, case)


def test_many_come_back_as_they_were_and_are_compared_by_pages(account: Account) -> None:
    filled(account)
    before = world(account)
    undoing = deleting(account, "nothing")
    questions = asked(account, undoing.make)
    assert questions["s3:CopyObject"] == len(NAMES)
    assert "s3:HeadObject" not in questions
    assert undoing.conflicts() == ()
    questions = asked(account, undoing.revert)
    assert questions == {"s3:CopyObject": len(NAMES), "s3:ListObjectsV2": 1}
    assert world(account) == before
    assert undoing.revert().already


def test_what_is_not_there_costs_no_question(account: Account) -> None:
    """What is there does: only the object itself tells how it is encrypted, and who may read it."""
    filled(account)
    gone = [f"in/none{number}" for number in range(30)]
    questions = asked(account, lambda: deleting(account, *gone))
    assert questions["s3:HeadObject"] == questions["s3:GetObjectAcl"] == len(NAMES)
    assert questions["s3:ListObjectsV2"] == 1


def test_what_somebody_changed_or_made_again_is_told_by_its_name(account: Account) -> None:
    filled(account)
    undoing = deleting(account)
    undoing.make()
    account.say(*put(NAMES[3], b"somebody else's"))
    assert undoing.conflicts() == (f"object {NAMES[3]} of bucket data: made since",)
    account.say(*put(NAMES[3], NAMES[3].encode()))  # with the ETag that it had
    assert undoing.conflicts() == ()


@pytest.mark.parametrize("why", ["refused", "too long"])
def test_without_a_listing_each_is_asked_for(
    account: Account, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    filled(account)
    before = world(account)
    undoing = deleting(account)
    undoing.make()
    pages = account.pages

    async def broken(service: str, operation: str, *rest: Any, **more: Any) -> tuple[list[Any], bool]:
        if why == "refused":
            raise CallFailed("AccessDenied", 403)
        found, _ = await pages(service, operation, *rest, **more)
        return found[:2], True

    account.say(*put(NAMES[4], b"somebody else's"))
    account.say(*put(NAMES[1], b"somebody else's"))
    monkeypatch.setattr(account, "pages", broken)
    both = [f"object {NAMES[n]} of bucket data: made since" for n in (1, 4)]
    assert [*undoing.conflicts()] == both
    undoing.revert(force=True)
    assert world(account) == before


def test_versions_are_told_by_pages(account: Account) -> None:
    """Behind delete markers nothing is copied: which version is the current one is all that is needed."""
    filled(account, VERSIONED)
    before = world(account)
    made: list[Undoing] = []
    questions = asked(account, lambda: made.append(deleting(account, "nothing")))
    (undoing,) = made
    assert questions == {"s3:GetBucketVersioning": 1, "s3:ListObjectVersions": 1}
    undoing.make()
    assert "s3:HeadObject" not in asked(account, undoing.conflicts)
    undoing.revert()
    assert world(account) == before
    assert undoing.conflicts() == ()


def test_versions_that_are_lost_are_looked_at_one_by_one(account: Account) -> None:
    """While versioning is suspended, a deletion takes the version `null` away: that one is copied."""
    filled(account, VERSIONED, SUSPENDED)
    before = world(account)
    undoing = deleting(account)
    undoing.make()
    undoing.revert()
    assert world(account) == before


def test_the_before_image_of_a_revert_asks_about_the_bucket_once(account: Account) -> None:
    filled(account)
    undoing = deleting(account)
    undoing.make()
    numbers = itertools.count()

    def classified(call: Any) -> Classified:
        return classify(call, SCOPE, installed_levels())

    def image() -> None:
        found = run(
            image_of(undoing.plan, undoing.completed, account, classified, lambda: f"n{next(numbers)}")
        )
        assert len(found.plans) == len(NAMES)
        assert not found.reason

    assert asked(account, image) == {"s3:GetBucketVersioning": 1, "s3:ListObjectsV2": 1}
    account.say(*put(NAMES[7], b"somebody else's"))
    assert asked(account, image)["s3:HeadObject"] == 1


def test_the_listing_says_what_the_object_says(account: Account, listed: None) -> None:
    """Also where ETags are no digests: of parts, and encrypted."""
    filled(account)
    account.say("s3", "PutObject", {**B, "Key": "k", "Body": b"x", "ServerSideEncryption": "aws:kms"})
    upload = account.say("s3", "CreateMultipartUpload", {**B, "Key": "p"})["UploadId"]
    part = {**B, "Key": "p", "UploadId": upload}
    etag = account.say("s3", "UploadPart", {**part, "PartNumber": 1, "Body": b"x"})["ETag"]
    whole = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    account.say("s3", "CompleteMultipartUpload", {**part, "MultipartUpload": whole})
    names = [*NAMES, "k", "p", "nothing"]
    looks = [run(aside.look(Here(account, ""), "data", name, acls=False)) for name in names]
    heads = {name: thing and thing.head["ETag"] for name, thing in zip(names, looks, strict=True)}
    assert run(listing.etags(account, "data", names)) == heads
    assert str(heads["p"]).endswith('-1"')
