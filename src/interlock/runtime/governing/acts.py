"""What is wanted, done to the store: one function each, inside one transaction. In try-out mode at once, in governed mode when
admins have agreed; the same code, so that both mean the same. All checks come before the first write."""

from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar, assert_never

import msgspec

from interlock.control import breaker
from interlock.control.signals import judge
from interlock.model.base import Json, canonical
from interlock.model.breaker import Breaker, kind_of
from interlock.model.errors import Misconfigured, NotFound, Rejected
from interlock.model.people import Agent, Grant, Passkey, Person, Subject
from interlock.model.proposal import (
    AddAgent,
    AddGrant,
    AddPasskey,
    AddPerson,
    EmptyTrash,
    EndGoverned,
    GiveAgent,
    LinkLogin,
    Recover,
    ResetBreaker,
    Resume,
    SetGroups,
    Thaw,
    Unprotect,
    UseConfig,
    UsePolicies,
    Wanted,
    words_of,
)
from interlock.pipeline.recorded import bodies
from interlock.policy import grants as compiled
from interlock.runtime.service.people import keys
from interlock.runtime.service.people.names import name, person_of
from interlock.sdk.ports import ReadTx, Tx

T = TypeVar("T")
Enacted: TypeAlias = Person | Agent | Grant | Breaker | None
POLICIES, CONFIG = "policies", "config"
"""Names of what is in force (`sdk.ports.ReadTx.in_force`)."""


class Terms(msgspec.Struct, frozen=True):
    """`counts_after` is how long new people wait until they count: nothing in try-out mode."""

    counts_after: timedelta = timedelta(0)

    def counts_from(self, now: datetime) -> datetime | None:
        """From when on a person counts that is new now."""
        return now + self.counts_after if self.counts_after else None


def enact(tx: Tx, wanted: Wanted, by: str, terms: Terms) -> Enacted:
    """Do it. Raises Rejected or NotFound when it cannot be done; then nothing was written."""
    match wanted:
        case AddPerson():
            return _add_person(tx, wanted, by, terms)
        case AddPasskey():
            return _add_passkey(tx, wanted, by, terms)
        case LinkLogin():
            return _link_login(tx, wanted, by, terms)
        case SetGroups():
            return _set_groups(tx, wanted, by)
        case Recover():
            return _recover(tx, wanted, by, terms)
        case AddAgent():
            return _add_agent(tx, wanted, by)
        case GiveAgent():
            return _give_agent(tx, wanted, by)
        case AddGrant():
            return _add_grant(tx, wanted, by)
        case Thaw():
            return _thaw(tx, wanted, by)
        case Resume():
            return _resume(tx, wanted, by)
        case ResetBreaker():
            return _reset(tx, wanted, by)
        case UsePolicies(texts):
            _must_be_governed(tx)
            tx.put_in_force(POLICIES, canonical(texts))
        case UseConfig(deciding):
            _must_be_governed(tx)
            tx.put_in_force(CONFIG, deciding.encode())
        case EndGoverned(reason):
            _must_be_governed(tx)
            tx.drop_in_force()
            tx.append("governed", {"what": "ended", "by": by, "reason": reason[:500]})
        case Unprotect() | EmptyTrash():
            raise AssertionError(f"{words_of(wanted)} is not done in the store alone")
        case _:
            assert_never(wanted)
    return None


def governed(tx: ReadTx) -> bool:
    """Whether the installation is in governed mode."""
    return bool(tx.in_force())


def _must_be_governed(tx: ReadTx) -> None:
    if not governed(tx):
        raise Rejected(
            "this installation is in try-out mode: there is nothing to propose (see `interlock govern`)"
        )


# ---- people


def _add_person(tx: Tx, wanted: AddPerson, by: str, terms: Terms) -> Person:
    name(wanted.name, "a person")
    keys.check(wanted.public_key)
    if tx.person(wanted.name) is not None:
        raise Rejected(f"there is a person {wanted.name} already")
    keys.require_free(tx, wanted.name, wanted.public_key)
    groups = groups_of(wanted.groups)
    made = Person(wanted.name, groups, wanted.public_key, tx.now(), counts_from=terms.counts_from(tx.now()))
    return put_person(tx, made, "added", by)


def _add_passkey(tx: Tx, wanted: AddPasskey, by: str, terms: Terms) -> Person:
    """Somebody new counts from then on, as any new person; another passkey of somebody enrolled counts when they do."""
    if person_of(by) == wanted.name:
        raise Rejected(f"somebody else must confirm {wanted.name}")
    known = tx.person(wanted.name)
    if known is None and not wanted.groups:
        raise Rejected(f"{wanted.name} is not enrolled any more")
    if known is not None and wanted.groups:
        raise Rejected(f"there is a person {wanted.name} already")
    keys.require_free_passkey(tx, wanted.name, wanted.credential, wanted.public_key)
    made = known or Person(
        wanted.name, groups_of(wanted.groups), "", tx.now(), counts_from=terms.counts_from(tx.now())
    )
    key = Passkey(wanted.credential, wanted.public_key, wanted.label, tx.now(), wanted.sign_count)
    if sum(each.revoked_at is None for each in made.passkeys) >= keys.MOST_PASSKEYS:
        raise Rejected(f"{wanted.name} has {keys.MOST_PASSKEYS} passkeys: revoke one first")
    made = msgspec.structs.replace(made, passkeys=(*made.passkeys, key))
    return put_person(tx, made, "passkey added" if known else "added", by, passkey=key.id)


def _link_login(tx: Tx, wanted: LinkLogin, by: str, terms: Terms) -> Person:
    """As for a passkey. A login lets nobody approve."""
    if person_of(by) == wanted.name:
        raise Rejected(f"somebody else must confirm {wanted.name}")
    name(wanted.name, "a person")
    known = tx.person(wanted.name)
    if known is None and not wanted.groups:
        raise Rejected(f"{wanted.name} is not enrolled any more")
    if known is not None and (wanted.groups or known.disabled):
        raise Rejected(f"{wanted.name} is {'disabled' if known.disabled else 'enrolled already'}")
    keys.require_free_login(tx, wanted.name, wanted.issuer, wanted.sub)
    made = known or Person(
        wanted.name, groups_of(wanted.groups), "", tx.now(), counts_from=terms.counts_from(tx.now())
    )
    subject = Subject(wanted.issuer, wanted.sub, tx.now())
    others = tuple(s for s in made.subjects if s.digest != subject.digest)
    if sum(each.revoked_at is None for each in others) >= keys.MOST_LOGINS:
        raise Rejected(f"{wanted.name} has {keys.MOST_LOGINS} logins: unlink one first")
    made = msgspec.structs.replace(made, subjects=(*others, subject))
    return put_person(tx, made, "login added" if known else "added", by, login=subject.digest)


def _set_groups(tx: Tx, wanted: SetGroups, by: str) -> Person:
    known = existing(tx.person(wanted.name), f"person {wanted.name}")
    made = msgspec.structs.replace(known, groups=groups_of(wanted.groups), withheld=())
    if governed(tx) and is_admin(known) and not is_admin(made):
        leave_admins(tx, known.name, 2)
    return put_person(tx, made, "groups", by)


def _recover(tx: Tx, wanted: Recover, by: str, terms: Terms) -> Person:
    known = existing(tx.person(wanted.name), f"person {wanted.name}")
    keys.check(wanted.public_key)
    keys.require_free(tx, wanted.name, wanted.public_key)
    if known.public_key == wanted.public_key:
        raise Rejected(f"that is the key that {known.name} has already")
    after = terms.counts_from(tx.now())
    over = tuple(
        msgspec.structs.replace(key, revoked_at=key.revoked_at or tx.now()) for key in known.passkeys
    )
    made = msgspec.structs.replace(
        known,
        public_key=wanted.public_key,
        disabled=False,
        disabled_at=None,
        counts_from=after,
        passkeys=over,
    )
    return put_person(tx, made, "recovered", by)


def put_person(tx: Tx, made: Person, what: str, by: str, **more: Json) -> Person:
    """Store a person, and record it: with every key that signs for them, so that the log alone tells whose a signature is."""
    tx.put_person(made)
    passkeys = [key.public_key for key in made.passkeys if key.revoked_at is None]
    logins = [subject.digest for subject in made.subjects if subject.revoked_at is None]
    body: dict[str, Json] = {
        "person": made.name,
        "groups": list(made.groups),
        "public_key": made.public_key,
        "what": what,
        "by": by,
        **({"passkeys": passkeys} if passkeys else {}),
        **({"logins": logins} if logins else {}),
        **({"withheld": list(made.withheld)} if made.withheld else {}),
        **more,
    }
    tx.append("person", body)
    return made


def groups_of(groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups, each once. Raises Rejected for what is no name."""
    return tuple(dict.fromkeys(name(group, "a group") for group in groups))


ADMIN = "admin"


def is_admin(person: Person) -> bool:
    """Whether they are an admin that is not disabled."""
    return ADMIN in person.groups and not person.disabled


def leave_admins(tx: ReadTx, without: str, fewest: int) -> None:
    """Raises Rejected when fewer than `fewest` admins would be left without someone."""
    left = sum(1 for p in tx.people() if is_admin(p) and p.name != without)
    if left < fewest:
        many = "one admin" if fewest == 1 else f"{fewest} admins"
        raise Rejected(f"{many} must be left; without {without} there would be {left or 'none'}")


# ---- agents and grants


def _add_agent(tx: Tx, wanted: AddAgent, by: str) -> Agent:
    name(wanted.name, "an agent")
    if tx.agent(wanted.name) is not None:
        raise Rejected(f"there is an agent {wanted.name} already")
    _enabled_owner(tx, wanted.owner)
    made = Agent(wanted.name, wanted.owner, tx.now())
    tx.put_agent(made)
    tx.put_breaker(Breaker(breaker.agent(made.name), moved_at=tx.now(), moved_by=by))
    tx.append("agent", {"agent": made.name, "owner": made.owner, "what": "added", "by": by})
    return made


def _give_agent(tx: Tx, wanted: GiveAgent, by: str) -> Agent:
    known = existing(tx.agent(wanted.name), f"agent {wanted.name}")
    _enabled_owner(tx, wanted.owner)
    past = tuple(dict.fromkeys((*known.past_owners, known.owner)))
    made = msgspec.structs.replace(known, owner=wanted.owner, past_owners=past)
    tx.put_agent(made)
    body: dict[str, Json] = {"agent": made.name, "owner": made.owner, "what": "owner", "by": by}
    tx.append("agent", {**body, "before": known.owner})
    return made


def _enabled_owner(tx: ReadTx, owner: str) -> None:
    person = tx.person(owner)
    if person is None or person.disabled:
        raise Rejected(f"the owner {owner} is not an enrolled person; add them first")


def _add_grant(tx: Tx, wanted: AddGrant, by: str) -> Grant:
    now = tx.now()
    known = existing(tx.agent(wanted.agent), f"agent {wanted.agent}")
    made = Grant(
        id=wanted.id,
        agent=known.name,
        target=wanted.target,
        actions=tuple(dict.fromkeys(wanted.actions)),
        granted_by=person_of(by),
        created_at=now,
        expires_at=wanted.expires_at,
        max_rows=wanted.max_rows,
        resources=wanted.resources,
    )
    _valid(made, now)
    tx.put_grant(made)
    tx.append("grant", {**grant_body(made), "what": "added", "by": by})
    return made


def _valid(grant: Grant, now: datetime) -> None:
    try:
        compiled.check(grant)
    except Misconfigured as error:
        raise Rejected(str(error)) from None
    if grant.expires_at <= now:
        raise Rejected("a grant must end in the future")


def grant_body(grant: Grant) -> dict[str, Json]:
    """What entries `grant` say of it."""
    return {
        "grant": grant.id,
        "agent": grant.agent,
        "target": grant.target,
        "actions": [a.value for a in grant.actions],
        "max_rows": grant.max_rows,
        "resources": list(grant.resources)[:100],
        "granted_by": grant.granted_by,
        "expires": int(grant.expires_at.timestamp()),
    }


# ---- switches


def _thaw(tx: Tx, wanted: Thaw, by: str) -> Breaker:
    row = environment(tx, wanted.environment)
    moved = breaker.freeze(row, False, by, wanted.reason or "thawed", tx.now())
    return put_switch(tx, msgspec.structs.replace(moved, remind_s=0), "freeze", by)


def _resume(tx: Tx, wanted: Resume, by: str) -> Breaker:
    row = switch(tx, breaker.GLOBAL)
    if not row.frozen:
        raise Rejected("nothing is halted (a halt file in a state directory is removed there, by hand)")
    return put_switch(tx, breaker.freeze(row, False, by, wanted.reason or "resumed", tx.now()), "halt", by)


def _reset(tx: Tx, wanted: ResetBreaker, by: str) -> Breaker:
    row = switch(tx, wanted.scope)
    _not_by_owner(tx, row, by)
    moved = breaker.move(row, breaker.next_reset(row), by, wanted.reason or "reset", tx.now())
    _forgive(tx, row)
    return put_switch(tx, moved, "breaker", by)


def _forgive(tx: Tx, row: Breaker) -> None:
    """What led there counts no more: somebody has looked at it, and the next signal is to be one of what comes."""
    kind, _, name = row.scope.partition("/")
    for agent in _whose(row):
        track = tx.track(agent)
        if track is not None:
            tx.put_track(agent, judge.forgiven(track, name if kind == "session" else ""))


def switch(tx: ReadTx, scope: str) -> Breaker:
    """Raises NotFound."""
    row = tx.breaker(scope)
    if row is None:
        raise NotFound(f"there is no breaker {scope} (see `interlock breaker list`)")
    return row


def environment(tx: ReadTx, name: str) -> Breaker:
    """The switch of an environment. Raises NotFound."""
    row = tx.breaker(breaker.environment(name))
    if row is None:
        known = sorted(b.scope.partition("/")[2] for b in tx.breakers() if kind_of(b.scope) == "environment")
        raise NotFound(
            f"there is no environment {name} (there {'is' if len(known) == 1 else 'are'} {', '.join(known)})"
        )
    return row


def put_switch(tx: Tx, moved: Breaker, kind: str, by: str) -> Breaker:
    """Store a moved switch, and record it."""
    tx.put_breaker(moved)
    tx.append(kind, bodies.switch(moved, by))
    return moved


def _not_by_owner(tx: ReadTx, row: Breaker, by: str) -> None:
    """Whoever answers for an agent does not put back what stopped it: for scopes wider than a session."""
    for owner, agent in _answerable(tx, row):
        if person_of(by) == owner:
            raise Rejected(f"{owner} owns {agent}: someone else must reset {row.scope}")


def owners_of(tx: ReadTx, row: Breaker) -> tuple[str, ...]:
    """People who may not put a switch back, because they answer for what stopped there (past owners too); each once."""
    return tuple(dict.fromkeys(owner for owner, agent in _answerable(tx, row) if owner != agent))


def _answerable(tx: ReadTx, row: Breaker) -> list[tuple[str, str]]:
    """Who answers for which agent of those whose work a switch is about, each agent for itself as well."""
    if row.scope.startswith(breaker.session("")):
        return []
    known = (tx.agent(each) for each in _whose(row))
    return [(who, a.name) for a in known if a is not None for who in (a.owner, *a.past_owners, a.name)]


def _whose(row: Breaker) -> list[str]:
    """The agents whose work a switch is about: what opened it, and the one that it stops."""
    return sorted({*row.agents, breaker.agent_of(row.scope)} - {""})


def existing(found: T | None, what: str) -> T:
    """Raises NotFound."""
    if found is None:
        raise NotFound(f"there is no {what}")
    return found
