"""SQS: queues and their attributes. Messages themselves are never brought back."""

import re
from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import filled, nothing, read, some, step, undone, watch
from interlock.connectors.aws.undo.data.settings import Final, Made
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step
from interlock.connectors.aws.undo.registry import Row, rows_of

_SETTABLE = (
    "DelaySeconds MaximumMessageSize MessageRetentionPeriod Policy ReceiveMessageWaitTimeSeconds VisibilityTimeout"
    " RedrivePolicy RedriveAllowPolicy KmsMasterKeyId KmsDataKeyReusePeriodSeconds SqsManagedSseEnabled FifoQueue"
    " ContentBasedDeduplication DeduplicationScope FifoThroughputLimit"
)
_MESSAGES = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


async def _url(call: Call, calls: Here) -> str | None:
    """The queue's own address: the call may name it by the gateway's. None when there is no such queue."""
    parts: list[str] = call.parameters["QueueUrl"].split("/")
    asked = {"QueueName": parts[-1]}
    if _ACCOUNT.fullmatch(parts[-2] if len(parts) > 1 else ""):
        asked["QueueOwnerAWSAccountId"] = parts[-2]
    url: str | None = await read(calls, "sqs", "GetQueueUrl", asked, "QueueUrl")
    return url


_ACCOUNT = re.compile(r"\d{12}", re.ASCII)


async def create(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateQueue: asked again with the same attributes it changes nothing."""
    name = call.parameters["QueueName"]
    there, check = await watch(calls, f"queue {name}", "sqs", "GetQueueUrl", {"QueueName": name}, "QueueUrl")
    if there:
        return Plan("full", checks=(check,))
    gone = Step("sqs", "DeleteQueue", {"QueueUrl": "${queue}"}, absent_ok=True)
    messages = Check(
        f"the messages of queue {name}",
        "sqs",
        "GetQueueAttributes",
        {"QueueUrl": "${queue}", "AttributeNames": list(_MESSAGES)},
        f"Attributes.[{', '.join(_MESSAGES)}]",
        before=None,
        after=["0", "0", "0"],
    )
    return Plan("full", inverse=(gone,), checks=(messages,), saves={"queue": "QueueUrl"})


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteQueue. The same name can be used again after a minute (SQS API reference, "DeleteQueue")."""
    url = await _url(call, calls)
    if url is None:
        return nothing()
    name = url.rsplit("/", 1)[-1]
    asked = {"QueueUrl": url, "AttributeNames": ["All"]}
    attributes = await read(calls, "sqs", "GetQueueAttributes", asked, "Attributes") or {}
    tags = await read(calls, "sqs", "ListQueueTags", {"QueueUrl": url}, "Tags")
    again = filled({"QueueName": name, "Attributes": settable(attributes), "tags": tags})
    select = f"Attributes.[{_SETTABLE.replace(' ', ', ')}]"
    _, check = await watch(calls, f"queue {name}", "sqs", "GetQueueAttributes", asked, select, after=None)
    lost = [attributes.get(kind, "0") for kind in _MESSAGES] != ["0", "0", "0"]
    caveats = ("the queue can be made again a minute after it was deleted",)
    return undone(
        check,
        step("sqs", "CreateQueue", again),
        kind="new_id" if lost else "full",
        caveats=("the messages in it are lost", *caveats) if lost else caveats,
    )


def settable(attributes: Mapping[str, str]) -> dict[str, str]:
    """Those that CreateQueue takes. A queue is encrypted in one of two ways; only FIFO queues say which kind they are."""
    found = filled(some(attributes, _SETTABLE))
    if found.get("FifoQueue") == "false":
        del found["FifoQueue"]
    if "KmsMasterKeyId" in found:
        found.pop("SqsManagedSseEnabled", None)
    return found


async def attributes(call: Call, calls: Here, nonce: str) -> Plan:
    """SetQueueAttributes."""
    return await _attributes(call, calls, sorted(call.parameters["Attributes"]))


async def permission(call: Call, calls: Here, nonce: str) -> Plan:
    """AddPermission, RemovePermission: statements of the policy."""
    return await _attributes(call, calls, ["Policy"])


async def _attributes(call: Call, calls: Here, names: list[str]) -> Plan:
    url = await _url(call, calls)
    if url is None:
        return nothing()
    asked = {"QueueUrl": url, "AttributeNames": ["All"]}
    select = f"Attributes.{{{', '.join(f'{name}: {name}' for name in names)}}}"
    what = f"the attributes of queue {url.rsplit('/', 1)[-1]}"
    old, check = await watch(calls, what, "sqs", "GetQueueAttributes", asked, select)
    # An empty value takes an attribute away.
    back: dict[str, Any] = {name: (old or {}).get(name) or "" for name in names}
    caveats = ("messages that expired meanwhile are gone",) if "MessageRetentionPeriod" in names else ()
    return undone(
        check, step("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": back}), caveats=caveats
    )


async def received(call: Call, calls: Here, nonce: str) -> Plan:
    """ReceiveMessage: what was received is shown to others again at once, unless it was deleted meanwhile."""
    # Messages of the answer as entries of the batch; how many there are decides whether it is sent at all.
    one = "{Id: MessageId, ReceiptHandle: ReceiptHandle, VisibilityTimeout: `0`}"
    entries = f"not_null(Messages, `[]`)[].{one}"
    url = await _url(call, calls)
    if url is None:
        return nothing()
    asked = {"QueueUrl": url, "AttributeNames": ["QueueArn"]}
    none = Check("what was received", "sqs", "GetQueueAttributes", asked, "`${received}` == `0`", before=True)
    back = {"QueueUrl": url, "Entries": "${entries}"}
    shown = Step("sqs", "ChangeMessageVisibilityBatch", back, unless=none)
    saves = {"entries": entries, "received": "length(not_null(Messages, `[]`))"}
    return Plan("full", inverse=(shown,), saves=saves, caveats=("each counts as received once more",))


async def shown(call: Call, calls: Here, nonce: str) -> Plan:
    """ChangeMessageVisibility, ChangeMessageVisibilityBatch: how long a message was hidden before can't be asked."""
    given = call.parameters.get("Entries", [{"Id": "0", **call.parameters}])
    entries = [{**some(each, "Id ReceiptHandle"), "VisibilityTimeout": 0} for each in given]
    url = await _url(call, calls)
    if url is None:
        return nothing()
    back = {"QueueUrl": url, "Entries": entries}
    caveats = ("the messages are shown again at once",)
    return Plan("new_id", inverse=(step("sqs", "ChangeMessageVisibilityBatch", back),), caveats=caveats)


_TAGS = Tags("sqs", "QueueUrl", "ListQueueTags", "Tags", "TagQueue", "Tags", "UntagQueue", "TagKeys", name="")
_SENT = Final("a message that was sent may have been received")
_RECEIVED = Final("a message that was deleted is gone", "let its visibility timeout end")
_PURGED = Final("messages that were purged are gone", "receive them, keep them, and delete them one by one")
_MOVED = Made(
    "sqs",
    "",
    "CancelMessageMoveTask",
    saves=(("TaskHandle", "TaskHandle"),),
    kind="new_id",
    caveats=("messages that were moved already stay where they are",),
)

ROWS: tuple[Row, ...] = (
    *rows_of("sqs", "CreateQueue", create, "full", "deleted, if no message is in it"),
    *rows_of(
        "sqs", "DeleteQueue", delete, "new_id", "made again with attributes and tags; messages are lost"
    ),
    *rows_of("sqs", "SetQueueAttributes", attributes, "full", "put as they were"),
    *rows_of("sqs", "AddPermission RemovePermission", permission, "full", "the policy is put as it was"),
    *rows_of("sqs", "TagQueue UntagQueue", _TAGS.plan, "full", "put as they were"),
    *rows_of("sqs", "StartMessageMoveTask", _MOVED.plan, "new_id", "cancelled; what was moved stays there"),
    *rows_of("sqs", "PurgeQueue", _PURGED.plan, "none", "messages are gone"),
    *rows_of("sqs", "SendMessage SendMessageBatch", _SENT.plan, "none", "a message may have been received"),
    *rows_of("sqs", "DeleteMessage DeleteMessageBatch", _RECEIVED.plan, "none", "messages are gone"),
    *rows_of("sqs", "ReceiveMessage", received, "full", "shown to others again at once"),
    *rows_of(
        "sqs",
        "ChangeMessageVisibility ChangeMessageVisibilityBatch",
        shown,
        "new_id",
        "shown to others again at once",
    ),
)
