"""What it means that something is made or dropped beside what was there: a trigger, a constraint, a policy, a publication.

What is made together with its table is not looked at: nobody relies on it yet.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from interlock.connectors.postgres.preview.ddl.catalog_diff import CatalogRow
from interlock.connectors.postgres.verbs.functions import rule_of
from interlock.connectors.postgres.verbs.operators import OPERATORS
from interlock.model.effect import ChangeKind

_BEFORE, _INSTEAD = 1 << 1, 1 << 6
"""Bits of `pg_trigger.tgtype` (catalog/pg_trigger.h)."""

_EVENTS = {"1": "SELECT", "2": "UPDATE", "3": "INSERT", "4": "DELETE"}
"""`pg_rewrite.ev_type`."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One consequence: the kind of change and a phrase for people."""

    change: ChangeKind
    detail: str


def meaning_of_new(row: CatalogRow) -> Meaning | None:
    """What the creation of something means that is more than a creation; None when it is nothing more."""
    rule = _NEW.get(row.catalog)
    return rule(row) if rule else None


def meaning_of_gone(row: CatalogRow) -> Meaning | None:
    """What it means that something was dropped which is no loss of its own; None when it is a deletion like any other."""
    rule = _GONE.get(row.catalog)
    return rule(row) if rule else None


def _new_trigger(row: CatalogRow) -> Meaning | None:
    if row.values.get("tgisinternal"):
        return None
    kind = int(str(row.values.get("tgtype") or 0))
    if kind & (_BEFORE | _INSTEAD):
        return Meaning(ChangeKind.WEAKENED, "new trigger: it may change or swallow what others write")
    # With the rights of whoever writes, in each of their transactions: what it does then is not measured now.
    return Meaning(ChangeKind.WEAKENED, "new trigger: it runs with what others write, and may undo it")


def _new_rule(row: CatalogRow) -> Meaning | None:
    event = _EVENTS.get(str(row.values.get("ev_type")), "")
    if event == "SELECT":
        return Meaning(ChangeKind.HIDDEN, "new rule: other rows are shown than are stored")
    if row.values.get("is_instead"):
        return Meaning(
            ChangeKind.WEAKENED, f"new rule: {event} by others does something else instead, or nothing"
        )
    return Meaning(ChangeKind.WEAKENED, f"new rule: {event} by others does something besides")


def _new_constraint(row: CatalogRow) -> Meaning | None:
    if row.values.get("conenforced") is False:
        return Meaning(ChangeKind.WEAKENED, "constraint that is not enforced")
    if row.values.get("convalidated") is False:
        return Meaning(ChangeKind.WEAKENED, "constraint not valid: rows that are there are not checked")
    return None


def _new_policy(row: CatalogRow) -> Meaning | None:
    if row.values.get("polpermissive") is False:
        return Meaning(ChangeKind.HIDDEN, "new restrictive policy: rows that it does not allow are not seen")
    return Meaning(ChangeKind.PERMISSION, "new policy: more rows may be seen or written")


_FIRST_USER_OID = 16384
"""What is below came with the server (access/transam.h)."""


def _new_function(row: CatalogRow) -> Meaning | None:
    if row.values.get("prosecdef"):
        return Meaning(
            ChangeKind.PERMISSION, "new function that runs with its owner's rights, whoever calls it"
        )
    types = [int(oid) for oid in re.findall(r"\d+", str(row.values.get("proargtypes")))]
    if rule_of(str(row.values.get("proname"))) is not None and all(oid < _FIRST_USER_OID for oid in types):
        return Meaning(
            ChangeKind.WEAKENED, "new function called like a built-in one: others may call it unawares"
        )
    return None


def _new_operator(row: CatalogRow) -> Meaning | None:
    types = [int(str(row.values.get(side) or 0)) for side in ("oprleft", "oprright")]
    if row.values.get("oprname") in OPERATORS and all(oid < _FIRST_USER_OID for oid in types):
        return Meaning(
            ChangeKind.WEAKENED, "new operator called like a built-in one: others may use it unawares"
        )
    return None


def _gone_policy(row: CatalogRow) -> Meaning | None:
    if row.values.get("polpermissive") is False:
        return Meaning(ChangeKind.WEAKENED, "restrictive policy dropped: rows that it kept back may be seen")
    return Meaning(ChangeKind.HIDDEN, "policy dropped: rows that only it allowed are not seen any more")


def _always(change: ChangeKind, detail: str) -> Callable[[CatalogRow], Meaning | None]:
    return lambda _: Meaning(change, detail)


_PUBLISHED = {
    "pg_publication": "publication",
    "pg_publication_rel": "table in a publication",
    "pg_publication_namespace": "schema in a publication",
    "pg_subscription_rel": "subscription of a table",
    "pg_replication_origin": "origin of replication",
}

_NEW: dict[str, Callable[[CatalogRow], Meaning | None]] = {
    "pg_constraint": _new_constraint,
    "pg_operator": _new_operator,
    "pg_policy": _new_policy,
    "pg_proc": _new_function,
    "pg_rewrite": _new_rule,
    "pg_trigger": _new_trigger,
    **{name: _always(ChangeKind.REPLICATION, f"{what} created") for name, what in _PUBLISHED.items()},
}
_GONE: dict[str, Callable[[CatalogRow], Meaning | None]] = {
    "pg_constraint": _always(ChangeKind.WEAKENED, "constraint dropped"),
    "pg_event_trigger": _always(ChangeKind.WEAKENED, "event trigger dropped"),
    "pg_policy": _gone_policy,
    "pg_trigger": _always(ChangeKind.WEAKENED, "trigger dropped"),
    **{name: _always(ChangeKind.REPLICATION, f"{what} dropped") for name, what in _PUBLISHED.items()},
}
