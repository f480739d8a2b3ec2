"""Agents that work with queues: what docs/policy.md says that a team writes so that they may, tried with boto3."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from interlock.model.change import ChangeState
from interlock.model.operation import Action
from interlock.testing.peers.moto import ACCOUNT, REGION, AwsGateway, MotoServer

PAGE = Path(__file__).parents[3] / "docs" / "policy.md"
JOBS, OTHER = "jobs", "ledger"


def shown(kind: str) -> str:
    """The example of that kind below the heading of queues."""
    part = PAGE.read_text("utf-8").partition("## Queues, topics and events")[2]
    return str(re.findall(rf"```{kind}\n(.*?)```", part, re.DOTALL)[0])


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer.start() as server:
        yield server


class Queues:
    """An account with two queues of twelve messages each, and the documented policy in force or not."""

    def __init__(self, moto: MotoServer, gateway: AwsGateway) -> None:
        self.moto, self.gateway = moto, gateway
        self.direct = moto.client("sqs")
        self.urls = {name: self.direct.create_queue(QueueName=name)["QueueUrl"] for name in (JOBS, OTHER)}
        for url in self.urls.values():
            for number in range(12):
                self.direct.send_message(QueueUrl=url, MessageBody=f"job {number}")

    def sqs(self, agent: str) -> Any:
        return self.gateway.client("sqs", agent, retries={"total_max_attempts": 1})

    def waiting(self, name: str) -> tuple[int, int]:
        """How many messages are to be seen, and how many are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.direct.get_queue_attributes(QueueUrl=self.urls[name], AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])


def refused(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def made(moto: MotoServer, folder: Path, *, documented: bool) -> AwsGateway:
    moto.reset()
    top: dict[str, Any] = {"policies": "policies"}
    (folder / "policies").mkdir(parents=True)
    if documented:
        top |= yaml.safe_load(shown("yaml"))
        (folder / "policies" / "queues.cedar").write_text(shown("cedar"), "utf-8")
    return AwsGateway(moto, folder, agents=("sender", "worker", "other"), top=top)


@pytest.fixture
def queues(moto: MotoServer, tmp_path: Path) -> Iterator[Queues]:
    """As docs/policy.md has it: `sender` may send to the queue of jobs, `worker` consumes it."""
    with made(moto, tmp_path, documented=True) as gateway:
        yield Queues(moto, gateway)


@pytest.fixture
def usual(moto: MotoServer, tmp_path: Path) -> Iterator[Queues]:
    """With the shipped guardrails alone."""
    with made(moto, tmp_path, documented=False) as gateway:
        yield Queues(moto, gateway)


def test_without_a_word_of_the_team_messages_wait_for_people(usual: Queues) -> None:
    sqs, url = usual.sqs("worker"), usual.urls[JOBS]
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x") == "InterlockHeld"
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert usual.waiting(JOBS) == (11, 1)
    handle = message["ReceiptHandle"]
    assert refused(sqs.delete_message, QueueUrl=url, ReceiptHandle=handle) == "InterlockHeld"
    assert usual.waiting(JOBS) == (11, 1), "nothing was sent, and nothing deleted"
    reasons = {r for change in usual.gateway.changes(ChangeState.HELD) for r in change.decision.reasons}
    assert reasons == {"messages-sent", "messages-taken"}


def test_what_was_received_is_shown_again_by_a_revert(usual: Queues) -> None:
    usual.sqs("worker").receive_message(
        QueueUrl=usual.urls[JOBS], MaxNumberOfMessages=10, VisibilityTimeout=600
    )
    assert usual.waiting(JOBS) == (2, 10)
    (change,) = usual.gateway.changes(ChangeState.APPLIED)
    assert all(effect.reversible for effect in change.measurement.effects)
    usual.gateway.revert(change.id)
    assert usual.waiting(JOBS) == (12, 0)


def test_to_receive_nothing_is_reverted_too(usual: Queues) -> None:
    usual.direct.purge_queue(QueueUrl=usual.urls[JOBS])
    assert "Messages" not in usual.sqs("worker").receive_message(QueueUrl=usual.urls[JOBS])
    (change,) = usual.gateway.changes(ChangeState.APPLIED)
    usual.gateway.revert(change.id)
    assert usual.gateway.change(change.id).state is ChangeState.REVERTED


def test_a_sender_sends_to_its_queue_and_to_no_other(queues: Queues) -> None:
    sqs = queues.sqs("sender")
    sqs.send_message(QueueUrl=queues.urls[JOBS], MessageBody="x")
    entries = [{"Id": str(n), "MessageBody": "x"} for n in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=queues.urls[JOBS], Entries=entries)["Successful"]) == 10
    assert queues.waiting(JOBS) == (23, 0)
    assert refused(sqs.send_message, QueueUrl=queues.urls[OTHER], MessageBody="x") == "InterlockHeld"
    assert queues.waiting(OTHER) == (12, 0)


def test_a_consumer_empties_its_queue_message_by_message(queues: Queues) -> None:
    sqs, url, done = queues.sqs("worker"), queues.urls[JOBS], 0
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=5).get("Messages"):
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=found[0]["ReceiptHandle"], VisibilityTimeout=60
        )
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(found)]
        done += len(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"])
    assert (done, queues.waiting(JOBS)) == (12, (0, 0))


def test_a_consumer_neither_sends_nor_purges_nor_goes_elsewhere(queues: Queues) -> None:
    sqs, url = queues.sqs("worker"), queues.urls[JOBS]
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x") == "InterlockHeld"
    assert refused(sqs.purge_queue, QueueUrl=url) == "InterlockHeld"
    assert refused(sqs.delete_queue, QueueUrl=url) == "InterlockHeld"
    (message,) = sqs.receive_message(QueueUrl=queues.urls[OTHER])["Messages"]
    handle = message["ReceiptHandle"]
    assert refused(sqs.delete_message, QueueUrl=queues.urls[OTHER], ReceiptHandle=handle) == "InterlockHeld"
    assert queues.waiting(JOBS) == (12, 0)


def test_who_is_not_named_is_held(queues: Queues) -> None:
    sqs = queues.sqs("other")
    assert refused(sqs.send_message, QueueUrl=queues.urls[JOBS], MessageBody="x") == "InterlockHeld"
    (held,) = queues.gateway.changes(ChangeState.HELD)
    assert held.decision.reasons == ("messages-are-for-those-who-are-named",)


def test_a_grant_for_one_queue_is_for_that_one(moto: MotoServer, queues: Queues) -> None:
    """As docs/policy.md gives it, with a pattern of the queue's name."""
    queues.gateway.add_agent("bound", ())
    names = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{JOBS}"]
    runtime = queues.gateway.runtime
    expires = runtime.core.directory.now().replace(year=2100)
    actions = (Action.READ, Action.UPDATE, Action.DELETE)
    queues.gateway.run(runtime.grants.add("bound", "cloud", actions, expires, by="uid/0", resources=names))
    sqs = queues.sqs("bound")
    assert sqs.receive_message(QueueUrl=queues.urls[JOBS])["Messages"]
    assert refused(sqs.receive_message, QueueUrl=queues.urls[OTHER]) == "InterlockForbidden"
    assert refused(sqs.send_message, QueueUrl=queues.urls[JOBS], MessageBody="x") == "InterlockForbidden"


def test_many_messages_are_beyond_a_budget(queues: Queues) -> None:
    """To be done with more than the agent's budget of deletions is held, however small the batches are."""
    sqs, url, code, done = queues.sqs("worker"), queues.urls[JOBS], "", 0
    for number in range(108):
        queues.direct.send_message(QueueUrl=url, MessageBody=f"more {number}")
    while not code and (found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages")):
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(found)]
        try:
            done += len(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"])
        except ClientError as error:
            code = error.response["Error"]["Code"]
    assert (code, done) == ("InterlockHeld", 100)
