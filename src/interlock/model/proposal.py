"""Proposals: what somebody wants to be decided in another way (P9). In governed mode each is a change like any other, on the pseudo
target `interlock`, whose content is a `Record`."""

from datetime import datetime
from typing import TypeAlias

from interlock.model.base import Value
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action

INTERLOCK = "interlock"
"""The pseudo target and environment of proposals; no target or environment of a configuration has that name."""


class AddPerson(Value, frozen=True, tag="add person"):
    """Enrol someone."""

    name: str
    groups: tuple[str, ...]
    public_key: str


class AddPasskey(Value, frozen=True, tag="confirm person"):
    """Let a passkey count that somebody made by a link: of somebody new with `groups`, of somebody enrolled without."""

    name: str
    groups: tuple[str, ...]
    credential: str
    public_key: str
    label: str
    sign_count: int = 0


class LinkLogin(Value, frozen=True, tag="confirm login of person"):
    """Let a login at the provider count: as somebody new with `groups`, as somebody enrolled without."""

    name: str
    groups: tuple[str, ...]
    issuer: str
    sub: str


class SetGroups(Value, frozen=True, tag="change groups of person"):
    """Give someone other groups."""

    name: str
    groups: tuple[str, ...]


class Recover(Value, frozen=True, tag="recover person"):
    """Give someone who lost their key, an admin above all, a new one, and enable them again."""

    name: str
    public_key: str


class AddAgent(Value, frozen=True, tag="add agent"):
    """Add an agent without any right. Its token is made by `rotate`."""

    name: str
    owner: str


class GiveAgent(Value, frozen=True, tag="change owner of agent"):
    """Give an agent another owner."""

    name: str
    owner: str


class AddGrant(Value, frozen=True, tag="add grant for"):
    """Give an agent a right on a target; the members are those of `model.people.Grant`."""

    id: str
    agent: str
    target: str
    actions: tuple[Action, ...]
    expires_at: datetime
    max_rows: int | None = None
    resources: tuple[str, ...] = ()


class Thaw(Value, frozen=True, tag="thaw"):
    """Lift the freeze of an environment."""

    environment: str
    reason: str = ""


class Resume(Value, frozen=True, tag="resume"):
    """End the halt of everything."""

    reason: str = ""


class ResetBreaker(Value, frozen=True, tag="reset breaker"):
    """Move a breaker one step back."""

    scope: str
    reason: str = ""


class Unprotect(Value, frozen=True, tag="unprotect"):
    """End the protection of tables of a target."""

    target: str
    tables: tuple[str, ...]


class EmptyTrash(Value, frozen=True, tag="empty trash"):
    """Remove copies from a target's trash for good; `copies` are their names there, `rows` how many rows all of them have."""

    target: str
    copies: tuple[str, ...]
    rows: int = 0


class UsePolicies(Value, frozen=True, tag="use policies"):
    """Put another policy directory in force: its `*.cedar` files by name."""

    texts: dict[str, str]


class UseConfig(Value, frozen=True, tag="use configuration"):
    """Put another configuration in force: canonical JSON of the part that decides (`runtime.governing.deciding`)."""

    deciding: str


class EndGoverned(Value, frozen=True, tag="end governed mode"):
    """Go back to try-out mode."""

    reason: str = ""


Wanted: TypeAlias = (
    AddPerson
    | AddPasskey
    | LinkLogin
    | SetGroups
    | Recover
    | AddAgent
    | GiveAgent
    | AddGrant
    | Thaw
    | Resume
    | ResetBreaker
    | Unprotect
    | EmptyTrash
    | UsePolicies
    | UseConfig
    | EndGoverned
)


class Line(Value, frozen=True):
    """One thing that would be another: what it is like now and would be like then, in a few words; empty where there is none."""

    kind: str
    name: str
    change: ChangeKind
    before: str = ""
    after: str = ""


class Record(Value, frozen=True):
    """The content of a proposal: all that people are shown, so that their signatures are bound to it. `by` is who proposed, `diffs`
    are unified diffs of what is long, `past` the decisions of the last days that would have been other ones."""

    wanted: Wanted
    by: str
    lines: tuple[Line, ...]
    diffs: tuple[str, ...] = ()
    past: tuple[str, ...] = ()


class Founder(Value, frozen=True):
    """A founding admin; `public_key` is the line of their `.pub` file."""

    name: str
    public_key: str


class Founded(Value, frozen=True):
    """What governed mode began with: the admins, the digests of what is in force, and who was there already and stays."""

    admins: tuple[str, ...]
    policies: str
    config: str
    people: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


def verb_of(wanted: Wanted) -> str:
    """`add person`, `thaw`: what is wanted, as a verb and a noun."""
    return str(type(wanted).__struct_config__.tag)


def subject_of(wanted: Wanted) -> str:
    """The name of what it is about; empty when it is about the whole installation."""
    match wanted:
        case (
            AddPerson(name)
            | AddPasskey(name)
            | LinkLogin(name)
            | SetGroups(name)
            | Recover(name)
            | AddAgent(name)
            | GiveAgent(name)
        ):
            return name
        case AddGrant():
            return f"{wanted.agent} on {wanted.target}"
        case Thaw(name) | ResetBreaker(name) | Unprotect(name) | EmptyTrash(name):
            return name
        case UsePolicies() | UseConfig() | EndGoverned() | Resume():
            return ""


def words_of(wanted: Wanted) -> str:
    """It in a few words: `add grant for fixer on shop`."""
    return f"{verb_of(wanted)} {subject_of(wanted)}".strip()
