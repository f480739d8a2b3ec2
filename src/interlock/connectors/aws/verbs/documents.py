"""Policy documents: whom a statement lets in or keeps out.

By the IAM user guide, "IAM JSON policy elements: Principal" and "NotPrincipal". What cannot be read is taken for the worst: it lets
everyone in, foreigners too, and keeps everyone out. A condition does not make a principal less: what it admits is not known here.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)", re.ASCII)


_STRANGER = "000000000000"
_ELEMENTS = frozenset(
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


class Unreadable(ValueError):
    """Not a policy document."""


def statements(document: object) -> list[Mapping[str, Any]]:
    """The statements of a document (JSON text, bytes, or what was parsed). Raises Unreadable."""
    if isinstance(document, str | bytes):
        document = _parsed(document)
    found = document.get("Statement") if isinstance(document, Mapping) else None
    listed: list[Any] = found if isinstance(found, list) else [found]
    if not listed or not all(_is_statement(each) for each in listed):
        raise Unreadable("no statements")
    return listed


def is_public(document: object) -> bool:
    """Whether a statement allows something to every principal."""
    try:
        return any(_lets(s) and (_everyone(s) or "NotPrincipal" in s) for s in statements(document))
    except Unreadable:
        return True


def is_foreign(document: object, own: Collection[str]) -> bool:
    """Whether a statement allows something to a principal of an account that isn't among `own`."""
    try:
        return any(_foreign(p, own) for s in statements(document) if _lets(s) for p in principals(s))
    except Unreadable:
        return True


def denies_widely(document: object) -> bool:
    """Whether a statement denies something to every principal, or to all but some: its author may be among them."""
    try:
        return any(s["Effect"] == "Deny" and _wide(s) for s in statements(document))
    except Unreadable:
        return True


def is_without_root(document: object, own: Collection[str]) -> bool:
    """Whether no statement lets the account itself in, so that IAM gives no access (KMS guide, "Key policies")."""
    try:
        allowed = [p for s in statements(document) if _lets(s) for p in principals(s)]
    except Unreadable:
        return True
    return not any(_is_account(p, own) for p in allowed)


def allows_everything(document: object) -> bool:
    """Whether a statement allows all actions, of all services or of one that gives rights."""
    try:
        return any(_lets(s) and _all_actions(s) for s in statements(document))
    except Unreadable:
        return True


def _parsed(text: str | bytes) -> object:
    try:
        return json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members of one name, readers take either."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _is_statement(each: object) -> bool:
    """Whether it is a statement, of elements that IAM's grammar knows: one that it doesn't may be read in another way elsewhere."""
    return isinstance(each, Mapping) and each.get("Effect") in ("Allow", "Deny") and each.keys() <= _ELEMENTS


def principals(statement: Mapping[str, Any]) -> Iterator[str]:
    """The principals of a statement, without the services of AWS (`Service`), which belong to no account."""
    found = statement.get("Principal", "*" if "NotPrincipal" in statement else ())
    if isinstance(found, Mapping):
        for kind, values in found.items():
            if kind != "Service":
                yield from (_named(kind, text) for text in _texts(values))
    else:
        yield from _texts(found)


def _named(kind: str, text: str) -> str:
    """A principal that isn't named by its account (a canonical user, another login) is taken for a stranger."""
    return text if kind == "AWS" or text == "*" or _ACCOUNT.search(text) else _STRANGER


def is_foreign_name(name: object, own: Collection[str]) -> bool:
    """Whether an account id or ARN names an account that isn't among `own`; lists and maps when one of their values does."""
    if isinstance(name, Mapping):
        return any(is_foreign_name(value, own) for value in name.values())
    if isinstance(name, list | tuple):
        return any(is_foreign_name(value, own) for value in name)
    return isinstance(name, str) and any(account not in own for account in _ACCOUNT.findall(name))


def _texts(values: object) -> Iterator[str]:
    for value in values if isinstance(values, list | tuple) else [values]:
        yield value if isinstance(value, str) else "*"


def _lets(statement: Mapping[str, Any]) -> bool:
    return bool(statement["Effect"] == "Allow")


def _everyone(statement: Mapping[str, Any]) -> bool:
    return "*" in set(principals(statement))


def _wide(statement: Mapping[str, Any]) -> bool:
    return "NotPrincipal" in statement or "Principal" not in statement or _everyone(statement)


def _foreign(principal: str, own: Collection[str]) -> bool:
    return is_foreign_name(principal, own)


def _is_account(principal: str, own: Collection[str]) -> bool:
    return principal in own or any(principal.endswith(f"::{account}:root") for account in own)


_RIGHTS = {"*", "*:*", "iam:*", "sts:*", "organizations:*", "kms:*"}


def _all_actions(statement: Mapping[str, Any]) -> bool:
    return "NotAction" in statement or bool(
        _RIGHTS & {a.lower() for a in _texts(statement.get("Action", "*"))}
    )
