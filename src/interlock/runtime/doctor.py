"""`interlock doctor`: every misconfiguration that would defeat the gate, each with the reason and the fix.

`offline` needs no server and looks at this machine; `online` asks a store and its targets.
"""

import os
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from interlock.control.breaker import GLOBAL, halted
from interlock.model.base import Value
from interlock.model.errors import InterlockError, Misconfigured
from interlock.model.people import Agent, Grant, Person, Quorum
from interlock.policy.checks.lint import unmet
from interlock.runtime.config.document import Config
from interlock.runtime.governing.acts import is_admin
from interlock.runtime.governing.admins import base
from interlock.runtime.halting.switch import KillSwitch
from interlock.runtime.opening import check_state_dir
from interlock.runtime.rules.governance import GOVERNED, TRY_OUT
from interlock.runtime.runtime import Runtime
from interlock.runtime.service.stopping.halts import drilled_at
from interlock.sdk.connector import Finding
from interlock.sdk.ports import ReadTx

SKEW = timedelta(seconds=2)
"""Clocks that differ by more make expiries and the order of records hard to judge."""

DRILLS = timedelta(days=8)
"""The kill switch is tried each week, and a day may be lost."""

LONG_GRANT = timedelta(days=90)


class Facts(Value, frozen=True):
    """What the checks of principals look at."""

    now: datetime
    agents: tuple[Agent, ...]
    people: tuple[Person, ...]
    grants: tuple[Grant, ...]


def offline(config: Config) -> Iterator[Finding]:
    """Files and folders of this machine."""
    try:
        check_state_dir(config.state_dir)
        yield Finding("ok", "state-dir", "the state directory is for the server alone")
    except Misconfigured as error:
        yield Finding("error", "state-dir", str(error), f"chmod 700 {config.state_dir}")
    if config.master_key is not None and (file := config.master_key.file) is not None:
        yield from _private(file.name, file.stat().st_mode if file.exists() else 0)
    mode = config.file.stat().st_mode
    if stat.S_IMODE(mode) & 0o022:
        what = f"{config.file.name} can be written by others: whoever writes it decides"
        yield Finding("error", "config-file", what, f"chmod go-w {config.file}")
    if stat.S_IMODE(mode) & 0o044 and any(isinstance(channel.url, str) for channel in config.notify):
        what = f"{config.file.name} can be read by others, and addresses of channels stand in it: they may be secrets"
        yield Finding("warning", "notify", what, "url: {file: …} or {env: …}, or chmod 600")
    if os.getuid() in config.identity.agent_uids:
        what = f"agents run as uid {os.getuid()}, and so does this: they can read its files and be it"
        yield Finding("error", "agent-uids", what, "let the server run as a user of its own")
    if KillSwitch(config.halt_file).look():
        yield Finding("warning", "halt", "the halt file stops everything", f"rm {config.halt_file}")
    if config.guardrails == "none":
        yield Finding("warning", "guardrails", "the shipped guardrails are off", "guardrails: default")


def _private(name: str, mode: int) -> Iterator[Finding]:
    if stat.S_IMODE(mode) & 0o077:
        yield Finding(
            "error", "master-key", f"{name} with the master key is open to others", f"chmod 600 {name}"
        )


async def online(runtime: Runtime) -> Sequence[Finding]:
    """The installation as the running server sees it: principals, clocks, targets, and what connectors find."""
    facts = await runtime.store.read(_facts)
    policies = runtime.core.policies
    asked = {remedy for policy in policies.engine.policies.values() for remedy in policy.remedies}
    found = [*offline(runtime.config), *principals(facts, runtime.config.quorums, asked)]
    if policies.broken:
        what = f"the last good policies are in force, the files say something else: {policies.broken}"
        found.append(Finding("error", "policies", what, "mend the file; interlock policy check"))
    found += await runtime.store.read(stopped)
    found += clock(facts.now, datetime.now(UTC))
    found += _mode(runtime)
    found += runtime.governing.files.findings()
    if runtime.mode == GOVERNED:
        found += admins(facts.people, base(runtime.config.quorums).count)
    if runtime.signing_refused:
        what = f"no checkpoint is signed: {runtime.signing_refused}"
        found.append(Finding("error", "ledger", what, "interlock ledger verify --pushed FILE"))
    found += runtime.witnesses.findings()
    found += await runtime.office.findings()
    found += await runtime.health_checks.findings()
    found += same_system({s.name: s.fingerprint for s in runtime.statuses()})
    for name in sorted(runtime.targets):
        found += await _target(runtime, name)
    return found


def stopped(tx: ReadTx) -> list[Finding]:
    """The kill switch: whether everything is halted, and whether it was tried lately."""
    row, tried = tx.breaker(GLOBAL), drilled_at(tx)
    if row is not None and row.frozen:
        return [Finding("warning", "halt", halted(row.reason), "interlock resume --reason TEXT")]
    if tried is None:
        return [Finding("warning", "drill", "the kill switch was never tried", "interlock halt --drill")]
    if tx.now() - tried > DRILLS:
        what = f"the kill switch was tried last on {tried:%Y-%m-%d}, more than {DRILLS.days} days ago"
        return [Finding("warning", "drill", what, "interlock halt --drill, each week (cron)")]
    return [Finding("ok", "drill", "the kill switch was tried within the last days")]


def _facts(tx: ReadTx) -> Facts:
    return Facts(tx.now(), tuple(tx.agents()), tuple(tx.people()), tuple(tx.grants()))


def principals(facts: Facts, quorums: Mapping[str, Quorum], asked: Container[str]) -> Iterator[Finding]:
    """Quorums that can't be met, and grants without limits. `asked` are the remedies that policies name: a quorum that none of them
    asks for is no more than worth a word."""
    people = [p for p in facts.people if not p.disabled]
    agents = [a for a in facts.agents if not a.disabled]
    for quorum in quorums.values():
        for finding in _quorum(quorum, people, agents, facts.grants):
            if f"quorum:{quorum.name}" in asked:
                yield finding
            else:
                what = f"{finding.what} (no policy asks for it now)"
                yield Finding("warning", finding.check, what, finding.fix)
    for grant in facts.grants:
        if grant.revoked_at is None and facts.now < grant.expires_at:
            yield from _grant(grant)


def _quorum(
    quorum: Quorum, people: Sequence[Person], agents: Sequence[Agent], grants: Iterable[Grant]
) -> Iterator[Finding]:
    members = {p.name for p in people if not set(quorum.groups).isdisjoint(p.groups)}
    groups = ", ".join(quorum.groups)
    if short := unmet(quorum, quorum.count, sorted(members), people):
        what = f"the quorum {quorum.name} needs {_needs(quorum)}, which has {len(members)}"
        fix = f"interlock people add NAME --group {short[0]} --pubkey FILE.pub"
        yield Finding("error", "quorum", f"{what}: nothing that waits for it can ever be approved", fix)
        return
    granted = {(g.agent, g.granted_by) for g in grants}
    for agent in agents:
        barred = {agent.owner, *agent.past_owners} | {by for name, by in granted if name == agent.name}
        left = sorted(members - barred)
        if not left:
            what = f"{groups} holds only owners of {agent.name}, or who gave it a right: nobody can approve"
            yield Finding("error", "quorum", what, f"add people to {groups} who have nothing to do with it")
        elif short := unmet(quorum, quorum.count, left, people):
            what = (
                f"for {agent.name} only {len(left)} of {groups} count; {quorum.name} needs {_needs(quorum)}"
            )
            yield Finding("error", "quorum", what, f"add people to {', '.join(short)}")
        elif short := unmet(quorum, quorum.most, left, people):
            what = f"for {agent.name} only {len(left)} of {groups} count; wide changes need {quorum.most} of {quorum.group}"
            yield Finding("warning", "quorum", what, f"add people to {', '.join(short)}")


def _needs(quorum: Quorum) -> str:
    more = (f"{part.count} of {part.group}" for part in quorum.also)
    return " and ".join((f"{quorum.count} of {quorum.group}", *more))


def _grant(grant: Grant) -> Iterator[Finding]:
    if grant.max_rows is None and not grant.resources:
        what = (
            f"grant {grant.id} of {grant.agent} on {grant.target} has no limit: any table, any number of rows"
        )
        yield Finding("warning", "grant", what, "give --max-rows and --resources")
    if grant.expires_at - grant.created_at > LONG_GRANT:
        what = f"grant {grant.id} of {grant.agent} holds for more than {LONG_GRANT.days} days"
        yield Finding("warning", "grant", what, "grant for hours or days, and again when needed")


def admins(people: Iterable[Person], needed: int) -> Iterator[Finding]:
    """Whether enough admins are left to decide, and to recover one who loses their key."""
    left = sum(1 for p in people if is_admin(p))
    if left < needed:
        what = f"only {left} of {needed} admins are left: nothing that loosens can be approved"
        yield Finding("error", "admins", what, "interlock people recover NAME --pubkey FILE.pub")
    elif left == needed:
        what = f"there are no more than {needed} admins: when one loses their key, the others cannot decide for a day"
        yield Finding("warning", "admins", what, "interlock people add NAME --group admin --pubkey FILE.pub")


def clock(store: datetime, here: datetime) -> Iterator[Finding]:
    """Whether this machine's clock is the store's, about."""
    skew = abs(store - here)
    if skew > SKEW:
        what = f"this machine's clock is {skew.total_seconds():.0f} s off the store's"
        yield Finding("warning", "clock", what, "synchronise the clocks (NTP)")
    else:
        yield Finding("ok", "clock", "this machine's clock agrees with the store's")


def same_system(fingerprints: Mapping[str, str]) -> Iterator[Finding]:
    """Targets that are one system."""
    groups: dict[str, list[str]] = {}
    for name, fingerprint in fingerprints.items():
        if fingerprint:
            groups.setdefault(fingerprint, []).append(name)
    for names in groups.values():
        if len(names) > 1:
            what = (
                f"{' and '.join(sorted(names))} are the same system: the stricter rules hold for all of them"
            )
            yield Finding("warning", "same-system", what, "keep one of them")


def _mode(runtime: Runtime) -> Iterator[Finding]:
    if runtime.mode == TRY_OUT:
        what = "try-out mode: whoever may use the admin socket adds people, agents and grants at once, alone"
        fix = "interlock govern --admin NAME=FILE.pub --admin NAME2=FILE2.pub"
        yield Finding("warning", "mode", what, fix)
    for status in runtime.statuses():
        if status.observe:
            what = f"{status.name} only observes: nothing is held"
            yield Finding("warning", "observe", what, "mode: enforce")


async def _target(runtime: Runtime, name: str) -> Sequence[Finding]:
    """What the connector finds, with the target's name."""
    server = runtime.targets[name]
    if not server.reached:
        fix = f"mend targets.{name} in the configuration, or what it names"
        return [Finding("error", "target", f"{name} is not reached: {server.why}", fix)]
    try:
        found = await server.live.doctor()
    except InterlockError as error:
        return [Finding("error", "target", f"{name} could not be examined: {error}")]
    return [Finding(f.level, f.check, f"{name}: {f.what}", f.fix) for f in found]
