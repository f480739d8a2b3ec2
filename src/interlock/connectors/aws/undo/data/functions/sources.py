"""What calls a function: aliases, event source mappings, URLs."""

from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import filled, nothing, read, some, step, undone, watch
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Plan

_MAPPING = (
    "FunctionName BatchSize FilterCriteria MaximumBatchingWindowInSeconds DestinationConfig MaximumRecordAgeInSeconds"
    " BisectBatchOnFunctionError MaximumRetryAttempts ParallelizationFactor SourceAccessConfigurations"
    " TumblingWindowInSeconds FunctionResponseTypes ScalingConfig KMSKeyArn"
)
_SOURCE = (
    "EventSourceArn StartingPosition StartingPositionTimestamp Topics Queues SelfManagedEventSource"
    " AmazonManagedKafkaEventSourceConfig SelfManagedKafkaEventSourceConfig DocumentDBEventSourceConfig"
)
_SHAPE = (
    "[FunctionArn, BatchSize, FilterCriteria, MaximumBatchingWindowInSeconds, MaximumRetryAttempts, ParallelizationFactor,"
    " starts_with(State, 'Dis')]"
)


def _mapping(old: dict[str, Any]) -> dict[str, Any]:
    """A mapping's description as the calls take it that write it."""
    given = filled(some({**old, "FunctionName": old.get("FunctionArn")}, _MAPPING))
    return {**given, "Enabled": not str(old.get("State", "")).startswith("Dis")}


async def update_mapping(call: Call, calls: Here, nonce: str) -> Plan:
    """UpdateEventSourceMapping."""
    key = some(call.parameters, "UUID")
    old = await read(calls, "lambda", "GetEventSourceMapping", key)
    if old is None:
        return nothing()
    what = "the event source mapping"
    _, check = await watch(calls, what, "lambda", "GetEventSourceMapping", key, _SHAPE)
    return undone(check, step("lambda", "UpdateEventSourceMapping", {**key, **_mapping(old)}))


async def delete_mapping(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteEventSourceMapping."""
    key = some(call.parameters, "UUID")
    old = await read(calls, "lambda", "GetEventSourceMapping", key)
    if old is None:
        return nothing()
    again = {**_mapping(old), **filled(some(old, _SOURCE))}
    asked = some(old, "EventSourceArn")
    select = f"length(EventSourceMappings[?FunctionArn == '{old['FunctionArn']}' && State != 'Deleting'])"
    _, check = await watch(
        calls, "the event source mappings", "lambda", "ListEventSourceMappings", asked, select
    )
    caveats = ("it has a new id, and reads a stream from its starting position",)
    return undone(check, step("lambda", "CreateEventSourceMapping", again), kind="new_id", caveats=caveats)


async def delete_url(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteFunctionUrlConfig."""
    key = some(call.parameters, "FunctionName Qualifier")
    what = f"the URL of function {key['FunctionName']}"
    old, check = await watch(
        calls, what, "lambda", "GetFunctionUrlConfig", key, "[AuthType, Cors, InvokeMode]"
    )
    if old is None:
        return nothing()
    found = await calls.ask("lambda", "GetFunctionUrlConfig", key)
    again = {**key, **some(found, "AuthType Cors InvokeMode")}
    caveats = ("the URL is another",)
    return undone(check, step("lambda", "CreateFunctionUrlConfig", again), kind="new_id", caveats=caveats)
