"""The AWS connector: agents use the AWS CLI, the SDKs and terraform with a key pair and endpoints of the gateway's.

Where to look: `session/` follows one connection and one call; `codec/` understands requests; `classify/` and `verbs/` say
what a call is; `preview/` finds out what it would do; `undo/` plans how it is taken back; `upstream/` is the only part that
talks to AWS."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.connectors.aws.connector import AwsConnector

    CONNECTOR: AwsConnector


def __getattr__(name: str) -> Any:
    # Only whoever wants the connector pays for loading all of it.
    if name != "CONNECTOR":
        raise AttributeError(name)
    from interlock.connectors.aws.connector import AwsConnector

    return AwsConnector()
