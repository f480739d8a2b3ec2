"""What would change, before and after: the lines of a proposal, read from the store. They are read again when it is to be done; if
they are others then, it is not what admins have agreed to."""

import difflib
from collections.abc import Iterator, Mapping
from typing import assert_never

import msgspec

from interlock.control import breaker
from interlock.model.breaker import Breaker
from interlock.model.effect import ChangeKind
from interlock.model.proposal import (
    AddAgent,
    AddGrant,
    AddPasskey,
    AddPerson,
    EmptyTrash,
    EndGoverned,
    GiveAgent,
    Line,
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
)
from interlock.runtime.governing import deciding
from interlock.runtime.governing.acts import CONFIG, POLICIES, existing, switch
from interlock.sdk.ports import ReadTx

K = ChangeKind
MOST_COPIES = 50
"""Most copies of a trash that have a line of their own."""


def lines(tx: ReadTx, wanted: Wanted) -> tuple[Line, ...]:
    """The lines. Raises NotFound when what would change is not there."""
    return tuple(line for line in _lines(tx, wanted) if line.before != line.after)


def _lines(tx: ReadTx, wanted: Wanted) -> Iterator[Line]:
    match wanted:
        case AddPerson(name, groups, public_key):
            yield Line("person", name, K.CREATED, "", f"in {_list(groups)}, with the key {public_key}")
        case AddPasskey(name, groups, credential):
            new = f"in {_list(groups)}, " if groups else ""
            kind = K.CREATED if groups else K.PERMISSION
            yield Line("person", name, kind, "", f"{new}with the passkey {credential} ({wanted.label})")
        case LinkLogin(name, groups, issuer, sub):
            new = f"in {_list(groups)}, " if groups else ""
            kind = K.CREATED if groups else K.PERMISSION
            yield Line("person", name, kind, "", f"{new}with the login {sub!r} at {issuer}")
        case SetGroups(name, groups):
            known = existing(tx.person(name), f"person {name}")
            yield Line("person", name, K.PERMISSION, f"in {_list(known.groups)}", f"in {_list(groups)}")
        case Recover(name, public_key):
            known = existing(tx.person(name), f"person {name}")
            before = f"{'disabled, ' if known.disabled else ''}with the key {known.public_key}"
            yield Line("person", name, K.PERMISSION, before, f"with the key {public_key}")
        case AddAgent(name, owner):
            yield Line("agent", name, K.CREATED, "", f"owned by {owner}")
        case GiveAgent(name, owner):
            agent = existing(tx.agent(name), f"agent {name}")
            yield Line("agent", name, K.PERMISSION, f"owned by {agent.owner}", f"owned by {owner}")
        case AddGrant():
            yield _grant(tx, wanted)
        case Resume():
            row = switch(tx, breaker.GLOBAL)
            before = f"halted: {row.reason}" if row.frozen else "not halted"
            yield Line("breaker", row.scope, K.WEAKENED, before, "not halted")
        case Thaw() | ResetBreaker():
            yield _switch(tx, wanted)
        case Unprotect(target, tables):
            for table in tables:
                yield Line("table", f"{target}/{table}", K.WEAKENED, "protected", "not protected")
        case EmptyTrash(target, copies, rows):
            for copy in copies[:MOST_COPIES]:
                yield Line("copy", f"{target}/{copy}", K.DELETED, "kept", "")
            yield Line("trash", target, K.DELETED, f"{len(copies)} copies with {rows} rows", "")
        case UsePolicies() | UseConfig():
            yield from _in_force(tx, wanted)
        case EndGoverned():
            yield Line("mode", "", K.WEAKENED, "governed", "try-out: one person decides, alone")
        case _:
            assert_never(wanted)


def _list(groups: tuple[str, ...]) -> str:
    return ", ".join(groups) or "no group"


def _grant(tx: ReadTx, wanted: AddGrant) -> Line:
    agent = existing(tx.agent(wanted.agent), f"agent {wanted.agent}")
    limits = [f"{wanted.max_rows} rows"] if wanted.max_rows is not None else []
    limits += [", ".join(wanted.resources)] if wanted.resources else []
    may = ", ".join(action.value for action in wanted.actions)
    until = wanted.expires_at.isoformat(timespec="seconds")
    about = f"{agent.name} (owner {agent.owner}) on {wanted.target}"
    return Line(
        "grant",
        wanted.id,
        K.PERMISSION,
        "",
        f"{about}: {may}; {'; '.join(limits) or 'no limits'}; until {until}",
    )


def _switch(tx: ReadTx, wanted: Thaw | ResetBreaker) -> Line:
    if isinstance(wanted, Thaw):
        row = switch(tx, breaker.environment(wanted.environment))
        frozen = "frozen" if row.frozen else "not frozen"
        return Line("breaker", row.scope, K.WEAKENED, frozen, "not frozen")
    row = switch(tx, wanted.scope)
    after = breaker.MACHINE.after(row.state, breaker.next_reset(row))
    return Line("breaker", row.scope, K.WEAKENED, _state(row), after.value)


def _state(row: Breaker) -> str:
    return f"{row.state.value}: {row.reason}" if row.reason else row.state.value


def _in_force(tx: ReadTx, wanted: UsePolicies | UseConfig) -> Iterator[Line]:
    if isinstance(wanted, UsePolicies):
        before = policies_in_force(tx)
        for file in sorted({*before, *wanted.texts}):
            old, new = before.get(file), wanted.texts.get(file)
            if old != new:
                kind = K.CREATED if old is None else K.DELETED if new is None else K.UPDATED
                yield Line("policy file", file, kind, _size(old), _size(new))
        return
    now = tx.in_force_content(CONFIG) or b"{}"
    for at, old, new in deciding.changed_keys(now, wanted.deciding.encode()):
        yield Line("configuration", at, K.SETTING, old, new)


def _size(text: str | None) -> str:
    if text is None:
        return ""
    return f"{len(text.splitlines())} lines (sha256 {deciding.digest(text.encode())[:16]})"


def policies_in_force(tx: ReadTx) -> Mapping[str, str]:
    """The approved policy files by name."""
    return msgspec.json.decode(tx.in_force_content(POLICIES) or b"{}", type=dict[str, str])


def diffs(tx: ReadTx, wanted: Wanted) -> tuple[str, ...]:
    """Unified diffs of what is long: one for each policy file, one for the configuration."""
    if isinstance(wanted, UsePolicies):
        before = policies_in_force(tx)
        files = sorted({*before, *wanted.texts})
        found = (_diff(file, before.get(file, ""), wanted.texts.get(file, "")) for file in files)
        return tuple(text for text in found if text)
    if isinstance(wanted, UseConfig):
        now = tx.in_force_content(CONFIG) or b"{}"
        return (_diff("configuration", _indented(now), _indented(wanted.deciding.encode())),)
    return ()


def _indented(content: bytes) -> str:
    return msgspec.json.format(content, indent=2).decode() + "\n"


def _diff(name: str, before: str, after: str) -> str:
    old, new = before.splitlines(), after.splitlines()
    return "\n".join(difflib.unified_diff(old, new, f"in force/{name}", f"proposed/{name}", lineterm=""))
