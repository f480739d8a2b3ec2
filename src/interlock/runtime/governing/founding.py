"""The beginning of governed mode: the founding admins are enrolled, and what is in force now is what is approved. There is no way
back but a proposal that admins approve."""

from collections.abc import Mapping, Sequence

import msgspec

from interlock.model.base import Json, Value, canonical
from interlock.model.errors import Rejected
from interlock.model.people import Person
from interlock.model.proposal import Founded, Founder
from interlock.runtime.config.document import Config
from interlock.runtime.governing import deciding
from interlock.runtime.governing.acts import ADMIN, CONFIG, POLICIES, governed, is_admin, put_person
from interlock.runtime.governing.admins import FEWEST, base
from interlock.runtime.rules.policies import read_texts
from interlock.runtime.service.people import keys
from interlock.runtime.service.people.names import name
from interlock.sdk.ports import ReadTx, Tx


class Contents(Value, frozen=True):
    """What is in force at that moment: the policy files, and the deciding part of the configuration."""

    policies: bytes
    config: bytes


def contents(config: Config) -> Contents:
    """Read the files. Raises Misconfigured."""
    return Contents(canonical(read_texts(config.policies)), deciding.deciding(config.source))


def check(config: Config, founders: Sequence[Founder]) -> None:
    """Raises Rejected when these founders could decide nothing, or one of them alone."""
    whole = base(config.quorums)
    if len(founders) < FEWEST or len({f.name for f in founders}) != len(founders):
        raise Rejected(f"governed mode needs {FEWEST} founding admins at least, each named once")
    if len({f.public_key for f in founders}) != len(founders):
        raise Rejected("each founding admin has a key of their own")
    if whole.group != ADMIN:
        raise Rejected(
            f"quorums.{whole.name}: founding admins are in the group {ADMIN}, not in {whole.group}"
        )
    if whole.count > len(founders):
        raise Rejected(f"quorums.{whole.name} asks for {whole.count} admins: name as many")


def found(tx: Tx, founders: Sequence[Founder], what: Contents, by: str) -> Founded:
    """Begin. Raises Rejected; then nothing was written."""
    if governed(tx):
        raise Rejected("this installation is in governed mode already: add admins by a proposal")
    made = [_admin(tx, founder) for founder in founders]
    _no_others(tx, {f.name for f in founders})
    for person in made:
        put_person(tx, person, "founding admin", by)
    policies, config = tx.put_in_force(POLICIES, what.policies), tx.put_in_force(CONFIG, what.config)
    others = tuple(p.name for p in tx.people() if not p.disabled and not is_admin(p))
    agents = tuple(a.name for a in tx.agents() if not a.disabled)
    body: Mapping[str, Json] = {
        "what": "begun",
        "admins": [person.name for person in made],
        "policies": policies,
        "config": config,
        "by": by,
    }
    tx.append("governed", body)
    return Founded(tuple(p.name for p in made), policies, config, others, agents)


def _admin(tx: ReadTx, founder: Founder) -> Person:
    name(founder.name, "a person")
    keys.check(founder.public_key)
    keys.require_free(tx, founder.name, founder.public_key)
    known = tx.person(founder.name)
    if known is None:
        return Person(founder.name, (ADMIN,), founder.public_key, tx.now())
    if known.disabled or known.public_key != founder.public_key:
        raise Rejected(
            f"{founder.name} is enrolled already, {'but disabled' if known.disabled else 'with another key'}"
        )
    groups = tuple(dict.fromkeys((*known.groups, ADMIN)))
    return msgspec.structs.replace(known, groups=groups, withheld=(), counts_from=None)


def _no_others(tx: ReadTx, named: set[str]) -> None:
    """Nobody becomes an admin by what the socket did before."""
    others = [p.name for p in tx.people() if is_admin(p) and p.name not in named]
    if others:
        raise Rejected(f"{others[0]} is an admin as well: name them with --admin, or disable them first")
