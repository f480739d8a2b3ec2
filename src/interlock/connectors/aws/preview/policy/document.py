"""IAM policy documents, read into statements (IAM User Guide, "Grammar of the IAM JSON policy language")."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from interlock.connectors.aws.preview.survey import Unsure
from interlock.model.base import Value, canonical

ANYONE = "*"
_MEMBERS = frozenset(
    (
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    )
)
_ACCOUNT = re.compile(r"(?:arn:[\w-]+:(?:iam|sts)::)?(\d{12})(?::.*)?\Z")
_MOST = 500


class Statement(Value, frozen=True):
    """`principals` are `AWS:…`, `Service:…`, …, or `*`; none for a policy that is attached to somebody. `except_principals`,
    `not_actions`, `not_resources` tell that what is listed is what it is *not* about. `condition` is canonical JSON, "" for
    none."""

    allows: bool
    principals: tuple[str, ...] = ()
    except_principals: bool = False
    actions: tuple[str, ...] = ()
    not_actions: bool = False
    resources: tuple[str, ...] = ()
    not_resources: bool = False
    condition: str = ""

    @property
    def all_actions(self) -> bool:
        """Whether it is about (nearly) all that a service can do."""
        return self.not_actions or any(name in ("*", "*:*") or name.endswith(":*") for name in self.actions)

    @property
    def what(self) -> str:
        """What it is about, for people."""
        names = ", ".join(self.actions[:3]) + (", …" if len(self.actions) > 3 else "")
        return f"all but {names}" if self.not_actions else names


def read(document: object) -> tuple[Statement, ...]:
    """No document is an empty one. Raises Unsure for what isn't understood."""
    if document in (None, "", b""):
        return ()
    found = _json(document)
    given = found.get("Statement") or ()
    several: Iterable[Any] = given if isinstance(given, list | tuple) else [given]
    statements = tuple(_statement(one) for one in several)
    if len(statements) > _MOST:
        raise Unsure("the policy document is too long to compare")
    return statements


def _json(document: object) -> Mapping[str, Any]:
    if isinstance(document, str | bytes):
        try:
            document = msgspec.json.decode(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unsure("the policy document isn't JSON") from None
    if not isinstance(document, Mapping):
        raise Unsure("the policy document isn't understood")
    return document


def _statement(given: object) -> Statement:
    if (
        not isinstance(given, Mapping)
        or set(given) - _MEMBERS
        or given.get("Effect") not in ("Allow", "Deny")
    ):
        raise Unsure("the policy document has a statement that isn't understood")
    except_principals = "NotPrincipal" in given
    return Statement(
        given["Effect"] == "Allow",
        _principals(given.get("NotPrincipal" if except_principals else "Principal")),
        except_principals,
        _texts(given.get("NotAction", given.get("Action")), lower=True),
        "NotAction" in given,
        _texts(given.get("NotResource", given.get("Resource"))),
        "NotResource" in given,
        canonical(given["Condition"]).decode() if given.get("Condition") else "",
    )


def _principals(given: object) -> tuple[str, ...]:
    if isinstance(given, Mapping):
        named = (f"{kind}:{name}" for kind, names in given.items() for name in _texts(names))
        return tuple(sorted({ANYONE if name == "AWS:*" else name for name in named}))
    return _texts(given)


def _texts(given: object, *, lower: bool = False) -> tuple[str, ...]:
    several = given if isinstance(given, list | tuple) else [] if given is None else [given]
    if not all(isinstance(one, str) for one in several):
        raise Unsure("the policy document has a list that isn't understood")
    # Names of actions are the same in capitals and small letters.
    return tuple(sorted({str(one).lower() if lower else str(one) for one in several}))


def account_of(principal: str) -> str:
    """The account of an `AWS:` principal; empty when it isn't one or has none."""
    match = _ACCOUNT.match(principal.removeprefix("AWS:"))
    return match[1] if match and principal.startswith("AWS:") else ""


_NARROWING = (
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "kms:calleraccount",
    "s3:dataaccesspointaccount",
)


def narrowed(statement: Statement, own: frozenset[str]) -> bool:
    """Whether its condition keeps out all but known accounts or networks: a positive test on a key that tells where a request comes
    from, with values of ours or without wildcards."""
    if not statement.condition:
        return False
    found: Mapping[str, Mapping[str, Any]] = msgspec.json.decode(statement.condition)
    return any(
        key.lower() in _NARROWING and _ours(values, own)
        for test, keys in found.items()
        if not re.search(r"Not|Null|IfExists", test)
        for key, values in keys.items()
    )


def _ours(values: object, own: frozenset[str]) -> bool:
    texts = _texts(values)
    accounts = {found for text in texts for found in re.findall(r"(?<!\d)\d{12}(?!\d)", text)}
    return bool(texts) and ANYONE not in texts and accounts <= own
