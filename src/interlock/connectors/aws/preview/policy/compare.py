"""What a new policy document means beside the old one."""

from collections.abc import Iterable, Iterator, Sequence

from interlock.connectors.aws.preview.found import Effects, thing
from interlock.connectors.aws.preview.policy.document import ANYONE, Statement, account_of, narrowed, read
from interlock.connectors.aws.preview.survey import Survey
from interlock.model.effect import ChangeKind
from interlock.model.operation import Resource

_MOST_NAMED = 5
_ROOT_ONLY = "kms"
"""The service whose policies alone decide: a key without the account in its policy can't be managed any more (AWS KMS Developer
Guide, "Default key policy")."""


def policy_change(survey: Survey, where: Resource, old: object, new: object) -> Effects:
    """A resource's policy (bucket, queue, topic, key, secret, function, …) is set from `old` to `new` (None: there is none)."""
    before, after = read(old), read(new)
    _keep(survey, where, before, after)
    gained, lost = _beyond(after, before), _beyond(before, after)
    if not gained and not lost:
        return [thing(where, ChangeKind.SETTING, "the policy means the same")]
    said = [*_openings(survey, gained), *_lock_outs(survey, where, after), *_gains(survey, gained, lost)]
    return [thing(where, ChangeKind.PERMISSION, "; ".join(said))]


def identity_change(survey: Survey, where: Resource, old: object, new: object) -> Effects:
    """The same for a policy that is attached to a role, user or group: what they may do."""
    before, after = read(old), read(new)
    _keep(survey, where, before, after)
    gained, lost = _beyond(after, before), _beyond(before, after)
    said = [*_powers(gained), *_changes(gained, lost)]
    if not said:
        return [thing(where, ChangeKind.SETTING, "the policy means the same")]
    return [thing(where, ChangeKind.PERMISSION, "; ".join(said))]


def _keep(survey: Survey, where: Resource, before: Sequence[Statement], after: Sequence[Statement]) -> None:
    survey.rests_on(f"policy of {where.name}", [repr(one) for one in before])
    survey.shows("policy", [_said(one) for one in before], [_said(one) for one in after])


def _said(one: Statement) -> str:
    who = ", ".join(one.principals)
    who = f"all but {who}" if one.except_principals else who
    where = ", ".join(one.resources)
    where = f" on all but {where}" if one.not_resources else f" on {where}" if where else ""
    verb = "allow" if one.allows else "deny"
    return f"{verb} {who}{' ' if who else ''}{one.what}{where}{' if …' if one.condition else ''}"


def _beyond(these: Sequence[Statement], those: Sequence[Statement]) -> list[Statement]:
    """Parts of statements, one for each principal and action, that the others don't have."""
    known = set(_split(those))
    return [one for one in dict.fromkeys(_split(these)) if one not in known]


def _split(statements: Iterable[Statement]) -> Iterator[Statement]:
    """A list means each of its members on its own; a list of exceptions only the whole of it."""
    for one in statements:
        whos: list[tuple[str, ...]] = (
            [one.principals] if one.except_principals else [(who,) for who in one.principals] or [()]
        )
        whats = [one.actions] if one.not_actions else [(what,) for what in one.actions]
        for who in whos:
            for what in whats:
                yield Statement(
                    one.allows,
                    who,
                    one.except_principals,
                    what,
                    one.not_actions,
                    one.resources,
                    one.not_resources,
                    one.condition,
                )


def is_public(statement: Statement) -> bool:
    return statement.allows and (statement.except_principals or ANYONE in statement.principals)


def foreign(survey: Survey, statement: Statement) -> list[str]:
    """Accounts and identity providers that aren't ours."""
    if not statement.allows or statement.except_principals:
        return []
    accounts = {account_of(who) for who in statement.principals} - survey.own - {""}
    others = {who for who in statement.principals if who.startswith(("Federated:", "CanonicalUser:"))}
    # Ids of principals that were deleted, and whatever else isn't an account's.
    odd = {who for who in statement.principals if who.startswith("AWS:") and not account_of(who)}
    return sorted(accounts | others | odd)


def _openings(survey: Survey, gained: Sequence[Statement]) -> Iterator[str]:
    public = [one for one in gained if is_public(one)]
    wide = _names(one.what for one in public if not narrowed(one, survey.own))
    if wide:
        survey.note(f"The policy lets anyone in the world do {wide}.")
        yield f"public: anyone may {wide}"
    if close := _names(one.what for one in public if narrowed(one, survey.own)):
        yield f"anyone may {close}, under a condition"
    accounts = sorted({account for one in gained for account in foreign(survey, one)})
    if accounts:
        survey.note(f"The policy lets in an account that isn't ours: {_names(accounts)}.")
        yield f"foreign: {_names(accounts)}"


def _lock_outs(survey: Survey, where: Resource, after: Sequence[Statement]) -> Iterator[str]:
    denied = [one for one in after if not one.allows and one.all_actions and _about_us(survey, one)]
    if denied:
        close = " under a condition" if all(one.condition for one in denied) else ""
        survey.note(
            f"The policy denies all to principals of this account{close}: nobody may be able to mend it."
        )
        yield f"lock-out: denies all to principals of this account{close}"
    if where.kind.startswith(f"{_ROOT_ONLY}:") and not any(_keeps_root(survey, one) for one in after):
        survey.note(
            "The key policy leaves the account itself out: nobody may be able to manage the key any more."
        )
        yield "lock-out: the account's root may not manage the key"


def _about_us(survey: Survey, one: Statement) -> bool:
    if one.except_principals or ANYONE in one.principals:
        return True
    return any(account_of(who) in survey.own for who in one.principals)


def _keeps_root(survey: Survey, one: Statement) -> bool:
    roots = {
        f"AWS:arn:{survey.calls.partition}:iam::{survey.calls.account}:root",
        f"AWS:{survey.calls.account}",
    }
    whole = one.allows and not one.condition and one.all_actions and not one.not_actions
    return whole and bool(roots & set(one.principals))


def _gains(survey: Survey, gained: Sequence[Statement], lost: Sequence[Statement]) -> Iterator[str]:
    won = {who for one in gained if one.allows for who in one.principals}
    won |= {who for one in lost if not one.allows for who in one.principals}
    missed = {who for one in lost if one.allows for who in one.principals}
    missed |= {who for one in gained if not one.allows for who in one.principals}
    if won:
        yield f"gains: {_names(sorted(won))}"
    if missed:
        yield f"loses: {_names(sorted(missed))}"


_POWERS = ("*", "iam:*", "sts:*", "organizations:*", "kms:*")
_ESCALATES = (
    "iam:passrole",
    "sts:assumerole",
    "iam:createaccesskey",
    "iam:attach",
    "iam:put",
    "iam:createpolicy",
)


def _powers(gained: Sequence[Statement]) -> Iterator[str]:
    allowed = [one for one in gained if one.allows]
    if any(one.not_actions or set(one.actions) & set(_POWERS[:1]) for one in allowed):
        yield "administrator: allows everything"
    strong = {what for one in allowed for what in one.actions if what in _POWERS[1:]}
    strong |= {what for one in allowed for what in one.actions if what.startswith(_ESCALATES)}
    if strong:
        yield f"may give itself more rights: {_names(sorted(strong))}"


def _changes(gained: Sequence[Statement], lost: Sequence[Statement]) -> Iterator[str]:
    more = [one.what for one in gained if one.allows] + [one.what for one in lost if not one.allows]
    less = [one.what for one in lost if one.allows] + [one.what for one in gained if not one.allows]
    if more:
        yield f"may do more: {_names(more)}"
    if less:
        yield f"may do less: {_names(less)}"


def _names(names: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = len(distinct) - _MOST_NAMED
    return ", ".join(distinct[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
