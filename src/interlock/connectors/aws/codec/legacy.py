"""The form in which SDKs from before November 2023 call SQS. botocore's model has only the JSON form left, which names things
otherwise (Amazon SQS API Reference, version 2012-11-05, "Making requests using the AWS query protocol")."""

from collections.abc import Mapping

SERVICE = "sqs"
PROTOCOL = "query"
_MEMBERS: Mapping[str, str] = {
    "AWSAccountIds": "AWSAccountId",
    "Actions": "ActionName",
    "AttributeNames": "AttributeName",
    "Attributes": "Attribute",
    "BinaryListValues": "BinaryListValue",
    "MessageAttributeNames": "MessageAttributeName",
    "MessageAttributes": "MessageAttribute",
    "MessageSystemAttributeNames": "MessageSystemAttributeName",
    "MessageSystemAttributes": "MessageSystemAttribute",
    "StringListValues": "StringListValue",
    "TagKeys": "TagKey",
    "Tags": "Tag",
    "tags": "Tag",
}
_BATCH = "RequestEntryList"


def member_name(member: str, shape: str) -> str:
    """The name of a member in forms; empty when it is its own."""
    return shape.removesuffix("List") if shape.endswith(_BATCH) else _MEMBERS.get(member, "")


def key_name(map_shape: str) -> str:
    """The name of the keys of a map."""
    return "Key" if map_shape == "TagMap" else "Name"


VALUE_NAME = "Value"
