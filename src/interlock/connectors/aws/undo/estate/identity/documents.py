"""What the rows of IAM share: policy documents, and all that hangs on a role, user or group."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from interlock.connectors.aws.undo.estate.draft import Draft, Gone, kept, own_tags

PAGE = {"MaxItems": "`1000`"}
"""The largest page: checks ask for one page only."""


def text(document: Any) -> str:
    """A policy document as calls take it. Answers hold it as JSON in URL encoding, or parsed already."""
    if isinstance(document, Mapping):
        return json.dumps(document)
    return unquote(document) if str(document).startswith("%7B") else str(document)


class Kind(NamedTuple):
    """Roles, users or groups, by the words in the operations' names."""

    word: str

    @property
    def key(self) -> str:
        """The parameter that names one."""
        return f"{self.word}Name"


async def policies(draft: Draft, kind: Kind) -> None:
    """Put back the inline policies and those that are attached."""
    name = {kind.key: draft.get(kind.key)}
    for policy in await draft.all(f"List{kind.word}Policies", name, "PolicyNames"):
        found = await draft.ask(f"Get{kind.word}Policy", name | {"PolicyName": policy})
        if not found:
            raise Gone("its policies change at this moment")
        document = text(found["PolicyDocument"])
        draft.back(f"Put{kind.word}Policy", name | {"PolicyName": policy, "PolicyDocument": document})
    for attached in await draft.all(f"ListAttached{kind.word}Policies", name, "AttachedPolicies"):
        draft.back(f"Attach{kind.word}Policy", name | {"PolicyArn": attached["PolicyArn"]})


def shape(thing: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The members, the boundary and the tags, as the creating calls take them."""
    create = kept(thing, *names)
    if boundary := thing.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"):
        create["PermissionsBoundary"] = boundary
    if tags := own_tags(thing.get("Tags")):
        create["Tags"] = tags
    return create
