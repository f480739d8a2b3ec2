"""Who asks: the admin socket, a person, an agent, or nobody known."""

from typing import TypeAlias

from interlock.model.base import Value


class Local(Value, frozen=True, tag=True):
    """A process on this machine, by the admin socket. `uid` is its user id as the kernel reports it."""

    uid: int


class ByKey(Value, frozen=True, tag=True):
    """A person, by a request signed with their key. `admin` tells whether they are of the group `admin`."""

    person: str
    admin: bool = False


class BySession(Value, frozen=True, tag=True):
    """A person at a browser. `token` is what their forms must carry. `passkey` tells whether they logged in with one: whom the
    login provider let in looks, tightens and comments, and is no admin."""

    person: str
    admin: bool = False
    token: str = ""
    passkey: bool = True


class ByToken(Value, frozen=True, tag=True):
    """An agent, by its token."""

    agent: str


class Nobody(Value, frozen=True, tag=True):
    """A request without credentials."""


Caller: TypeAlias = Local | ByKey | BySession | ByToken | Nobody


def weak(caller: Caller) -> bool:
    """Whether the caller needs a passkey for what neither tightens nor carries a signature of its own."""
    return isinstance(caller, BySession) and not caller.passkey


def name_of(caller: Caller) -> str:
    """How the caller is written in records: `uid/1000`, `person/ana` (who signed the request), `session/ana` (at a browser),
    `agent/fixer` or `nobody`."""
    match caller:
        case Local(uid):
            return f"uid/{uid}"
        case ByKey(person):
            return f"person/{person}"
        case BySession(person):
            return f"session/{person}"
        case ByToken(agent):
            return f"agent/{agent}"
        case Nobody():
            return "nobody"
