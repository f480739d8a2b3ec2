"""Reverts of reverts: for each row of the data services, what the before-image of its revert promises comes true.

op → revert → revert of the revert → as the operation left it."""

import itertools

import pytest
from tests.connectors.aws.undo.data.test_aws_undo_data_cases import CASES
from tests.connectors.aws.undo.rig import ACCOUNT, REGION, Account, Case, Undoing, World, run

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import Call, Classified
from interlock.connectors.aws.classify import Scope, classify
from interlock.connectors.aws.session.judged import compared_later
from interlock.connectors.aws.target.image import Image, image_of, together
from interlock.connectors.aws.verbs.levels import installed_levels

SCOPE = Scope("production", ACCOUNT, region=REGION)

FINAL = {
    "dynamodb: back up": "a backup that was deleted is gone",
    "lambda: update code and publish": "its number is not used again",
    "lambda: publish": "its number is not used again",
    "lambda: publish what is published": "its number is not used again",
    "lambda: publish layer": "its number is not used again",
    "secretsmanager: replicate secret": "a replica that was removed is gone",
    "events: archive": "the events in it are gone",
    "s3: complete a multipart upload over": "cannot be read (500)",  # moto
    "s3: start an upload": "the parts that were uploaded are gone",
    "logs: create stream": "its events are gone",
}
"""Whose revert cannot be undone, and what is said of it."""
OTHERWISE = {
    "kms: schedule deletion": "the waiting time begins anew",
    "kms: schedule deletion of a disabled key": "the waiting time begins anew",
    "secretsmanager: delete secret": "the waiting time begins anew",
    "s3: put over versioned": "comes back as a new version",
    "s3: put new versioned": "comes back as a new version",
    "s3: delete versioned": "comes back as a new version",
    "s3: delete many versioned, quietly": "comes back as a new version",
    "sqs: receive": "the messages are shown again at once",
    "sqs: hide for longer": "the messages are shown again at once",
    "sqs: hide some for longer": "the messages are shown again at once",
}
"""What comes back otherwise, as the caveats say."""
MOTO = {
    "dynamodb: update table: stream on": "does not forget that a stream was on",
    "s3: DeleteBucket": "takes DELETE ?inventory for one of the bucket",
    "s3: put over": "keeps the tags of what CopyObject writes over",
    "s3: put over while suspended, the version null": "keeps the tags of what CopyObject writes over",
    "s3: untag": "fails with 500",
}
"""What moto cannot do."""


def name_of(case: Case) -> str:
    return f"{case.call[0]}: {case.name}"


SAID = {**FINAL, **OTHERWISE, **MOTO}
FIRST = {case.call[:2]: case for case in reversed(CASES)}
CHOSEN = [case for case in CASES if name_of(case) in SAID or FIRST[case.call[:2]] is case]
"""One for each operation, and those of which something is to be said."""


def classified(call: Call) -> Classified:
    return classify(call, SCOPE, installed_levels())


def imaged(account: Account, undoing: Undoing) -> Image:
    numbers = itertools.count()
    return run(
        image_of(undoing.plan, undoing.completed, account, classified, lambda: f"again{next(numbers)}")
    )


def reverted(account: Account, undoing: Undoing, image: Image) -> list[tuple[undo.Plan, undo.Completed]]:
    """Revert, with the before-image of the revert."""
    copies = [run(undo.prepare(plan, account, {})) for plan in image.plans]
    done = run(undo.revert(image.inverse, undoing.completed, account, force=True))
    assert done.failed == ""
    found = []
    for place, plan in enumerate(image.plans):
        names = {**image.told(place, done.saved), **copies[place]}
        found.append((plan, run(undo.complete(compared_later(plan), {}, account, names))))
    return found


def test_what_is_said_is_of_cases_that_there_are() -> None:
    assert set(SAID) <= {name_of(case) for case in CASES}


@pytest.mark.parametrize("case", CHOSEN, ids=name_of)
def test_what_a_revert_promises_of_its_own_undo_comes_true(account: Account, case: Case) -> None:
    world = World(account, case)
    before = world.state()
    undoing = world.undoing()
    undoing.make()
    after = world.state()
    image = imaged(account, undoing)
    assert world.state() == after, "looking changes nothing"
    assert (name_of(case) in FINAL) is bool(image.reason), image.reason
    assert FINAL.get(name_of(case), "") in image.reason
    if image.reason or name_of(case) in MOTO:
        return
    pairs = reverted(account, undoing, image)
    if not case.differs:
        assert world.state() == before
    assert [str(since) for plan, done in pairs for since in run(undo.conflicts(plan, done, account))] == []
    for plan, done in reversed(pairs):
        assert run(undo.revert(plan, done, account, force=True)).failed == ""
    said = "; ".join(together([image]).caveats)
    assert OTHERWISE.get(name_of(case), "") in said
    assert (world.state() != after) is (name_of(case) in OTHERWISE)
