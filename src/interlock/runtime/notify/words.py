"""What messages say: one line about what would happen, and where to look.

An agent's own words (its reason), statement texts and row values are never in one. Names that an agent may have chosen go
through `plain`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from interlock.control.breaker import agent_of, alone
from interlock.control.deciding.approval import remedies, rfc3339
from interlock.control.deciding.quorum import ANYBODY, EVERYONE, places
from interlock.control.signals.said import SIGNALS, who_closes
from interlock.model.base import Json, Value
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change, ChangeState
from interlock.model.effect import ChangeKind, Effect, Evidence, totals
from interlock.model.health import Blame
from interlock.model.message import Event, Message
from interlock.model.operation import Action, Operation, Resource
from interlock.model.people import Quorum
from interlock.model.signal import Mark, Signal
from interlock.model.words import gravest_first
from interlock.runtime.notify.plain import name

MOST = 3
"""Effects that a message names."""
MOST_CHANGES = 20
"""Changes that led to a trip, the last ones, that a message has for programs."""

_VERBS = {
    ChangeKind.CREATED: ("create", "created"),
    ChangeKind.UPDATED: ("change", "changed"),
    ChangeKind.DELETED: ("delete", "deleted"),
    ChangeKind.REPLACED: ("replace", "replaced"),
    ChangeKind.HIDDEN: ("hide", "hid"),
    ChangeKind.MOVED: ("move or rename", "moved or renamed"),
    ChangeKind.WEAKENED: ("weaken", "weakened"),
    ChangeKind.NARROWED: ("narrow", "narrowed"),
    ChangeKind.REWOUND: ("set back", "set back"),
    ChangeKind.PERMISSION: ("change the rights of", "changed the rights of"),
    ChangeKind.REPLICATION: ("change the replication of", "changed the replication of"),
    ChangeKind.SETTING: ("change settings of", "changed settings of"),
}
_ACTIONS = {
    Action.READ: ("read", "read"),
    Action.CREATE: ("create something in", "created something in"),
    Action.UPDATE: ("change", "changed"),
    Action.DELETE: ("delete", "deleted"),
    Action.ADMIN: ("administer", "administered"),
    Action.UNKNOWN: ("do something unknown to", "did something unknown to"),
}


class Note(Value, frozen=True):
    """What is to be told, before it is known to which channels. `key` names the fact: told twice, it is the same message. `groups`
    are those that a change waits for, `environment` is where it is (empty: everywhere)."""

    event: Event
    key: str
    text: str
    link: str
    data: dict[str, Json]
    environment: str = ""
    groups: tuple[str, ...] = ()
    urgent: bool = False

    @property
    def line(self) -> str:
        """The text with the link."""
        return f"{self.text}: {self.link}"


class Words:
    """Says it. `public_url` is where people reach the console."""

    def __init__(self, public_url: str, quorums: Mapping[str, Quorum]) -> None:
        self._url, self._quorums = public_url.rstrip("/"), quorums

    @property
    def console(self) -> str:
        return f"{self._url}/console"

    # -- changes

    def held(self, change: Change) -> Note:
        """It waits for people."""
        return self._change(Event.HELD, change, f"held/{change.id}/{change.nonce}", self._waits(change))

    def reminder(self, change: Change) -> Note:
        """It expires soon."""
        ends = moment(change.expires_at) if change.expires_at else "soon"
        text = f"Nobody has answered, and it expires {ends}: {self._waits(change)}"
        return self._change(Event.REMINDER, change, f"reminder/{change.id}/{change.expires_at}", text)

    def moved(self, change: Change) -> Note | None:
        """It came to a state that people are told of; None for the others, and for what passed by itself."""
        event = event_of(change)
        if event is None:
            return None
        key = f"{change.state.value}/{change.id}/{_again(change)}"
        return self._change(event, change, key, f"{_HEADS[change.state]}: {_deed(change)}")

    def _waits(self, change: Change) -> str:
        wanted = [
            f"{place.count} of {' or '.join(g if g == EVERYONE else name(g) for g in place.groups)}"
            for q in self._wanted(change)
            for place in places(q, change)
        ]
        whom = " and ".join(wanted) or "something that nobody can give now"
        return f"{_deed(change)} - waits for {whom}"

    def _wanted(self, change: Change) -> list[Quorum]:
        asked = set(remedies(change))
        known = (*self._quorums.values(), ANYBODY)
        return [q for q in known if f"quorum:{q.name}" in asked]

    def _change(self, event: Event, change: Change, key: str, text: str, **more: Json) -> Note:
        groups = tuple(dict.fromkeys(group for q in self._wanted(change) for group in q.groups))
        data: dict[str, Json] = {
            "change": change.id,
            "state": change.state.value,
            "agent": change.agent,
            "target": change.target,
            "environment": change.environment,
            "waits_for": list(remedies(change)),
            "totals": {k: v for k, v in _numbers(change.measurement.effects).items() if v},
            "reverts": change.reverts,
            **more,
        }
        link = f"{self.console}/changes/{change.id}"
        return Note(event, key, text, link, data, change.environment, groups)

    # -- the rest

    def break_glass(self, person: str, change: Change | None, target: str, until: datetime) -> Note:
        """A person goes ahead without the others."""
        ends = moment(until)
        data: dict[str, Json] = {"person": person, "target": target, "until": rfc3339(until)}
        if change is None:
            text = f"BREAK-GLASS: {name(person)} lets changes of {name(target)} through without the others until {ends}"
            key = f"break_glass/{person}/{target}/{rfc3339(until)}"
            return Note(Event.BREAK_GLASS, key, text, self.console, data, urgent=True)
        text = f"BREAK-GLASS: {name(person)} lets it through without the others until {ends}: {_deed(change)}"
        key = f"break_glass/{person}/{change.id}/{rfc3339(until)}"
        link, data = f"{self.console}/changes/{change.id}", {**data, "change": change.id}
        return Note(Event.BREAK_GLASS, key, text, link, data, change.environment, urgent=True)

    def breaker(self, row: Breaker, by: str, environment: str) -> Note:
        """A switch moved. Why, somebody wrote: that is in the console."""
        state = f"{row.state.value} and frozen" if row.frozen else row.state.value
        means = _MEANS[row.state, row.frozen]
        if agent_of(row.scope):
            means = means.replace("no agent changes anything", "this agent changes nothing")
        what = f"The breaker {name(row.scope)} is {state} now, by {name(by)} - {means}"
        data: dict[str, Json] = {
            "scope": row.scope, "state": row.state.value, "frozen": row.frozen, "epoch": row.epoch, "by": by
        }  # fmt: skip
        return Note(Event.BREAKER, f"breaker/{row.scope}/{row.epoch}", what, self.console, data, environment)

    def tripped(
        self,
        scope: str,
        epoch: int,
        signal: Signal,
        agents: Sequence[str],
        environment: str,
        steps: Sequence[Mark] = (),
    ) -> Note:
        """A breaker opened by itself: why, after what, and who can put it back. Urgent: somebody is to look at it now. Of the
        operations only the changes are named: what they touch, and how a group is called, an agent chose."""
        kind, _, rest = scope.partition("/")
        group = kind == "group"
        switch = f"of a group of {name(rest.partition('/')[0])}" if group else name(scope)
        of = f" (agent {' and '.join(map(name, agents))})" if agents else ""
        changes = list(dict.fromkeys(step.change for step in steps if step.change))
        stops = "this agent changes nothing there" if agent_of(scope) else "no agent changes anything there"
        after = f", after {_joined_after(len(steps), changes)}" if steps else ""
        text = (
            f"The breaker {switch} has opened by itself{of}: {SIGNALS[signal]}{after} -"
            f" {stops} until it is put back by {who_closes(scope)}"
            f"{'' if alone(scope) else '; in governed mode that is proposed to admins'}"
        )
        data: dict[str, Json] = {
            "scope": f"group/{rest.partition('/')[0]}" if group else scope,
            "state": "open", "frozen": False, "epoch": epoch, "by": "interlock",
            "agents": list(agents), "signal": signal.value, "operations": len(steps), "changes": list(changes[-MOST_CHANGES:]),
        }  # fmt: skip
        link = f"{self.console}/breakers"
        if not group:
            link += f"/one?scope={quote(scope, safe='')}"
        return Note(Event.BREAKER, f"breaker/{scope}/{epoch}", text, link, data, environment, urgent=True)

    def health(self, blame: Blame, reverts: Sequence[Change]) -> Note:
        """A target is unwell after an agent's changes; their reverts wait for people. What opened is told by itself (`tripped`)."""
        changes, where = _joined(blame.changes[:MOST], len(blame.changes) - MOST), name(blame.target)
        waits = f"to revert them, approve {_joined([r.id for r in reverts[:MOST]], len(reverts) - MOST)}"
        then = waits if reverts else "no revert is proposed yet"
        then = "the target only observes, so nobody is stopped" if blame.observed else then
        text = f"{where} is unwell (the check {name(blame.check)}) since {changes} of {name(blame.agent)} - {then}"
        data: dict[str, Json] = {
            "target": blame.target,
            "environment": blame.environment,
            "check": blame.check,
            "agent": blame.agent,
            "changes": list(blame.changes),
            "opened": list(blame.opened),
            "reverts": [revert.id for revert in reverts],
        }
        about = reverts[0].id if reverts else blame.changes[0]
        key = f"health/{blame.target}/{blame.check}/{blame.agent}/{rfc3339(blame.at)}"
        return Note(Event.HEALTH, key, text, f"{self.console}/changes/{about}", data, blame.environment)

    def test(self, by: str, channel: str, key: str) -> Note:
        """A person tries a channel."""
        text = f"A test of the channel {name(channel)}, by {name(by)}"
        return Note(Event.TEST, f"test/{key}", text, self.console, {"by": by}, urgent=True)

    def digest(self, messages: Sequence[Message], most: int) -> tuple[str, dict[str, Json]]:
        """Several as one: how many of what, and the first few."""
        counts: dict[str, int] = {}
        for message in messages:
            counts[message.event.value] = counts.get(message.event.value, 0) + message.parts
        number = sum(counts.values())
        kinds = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in counts.items())
        lines = [
            f"{number:,} messages ({kinds}); the first of them:",
            *(f"- {m.text}" for m in messages[:most]),
        ]
        if number > most:
            lines.append(f"and {number - most:,} more: {self.console}")
        told = [{"id": m.id, "event": m.event.value, "text": m.text} for m in messages[:most]]
        return "\n".join(lines), {"count": number, "counts": counts, "first": told}


_HEADS = {
    ChangeState.APPROVED: "Approved",
    ChangeState.DENIED: "Denied",
    ChangeState.WITHDRAWN: "Withdrawn",
    ChangeState.EXPIRED: "Expired, nothing was done",
    ChangeState.APPLIED: "Applied",
    ChangeState.FAILED: "Failed, nothing was done",
    ChangeState.IN_DOUBT: "In doubt whether it took effect",
}

_DECIDED = (ChangeState.APPROVED, ChangeState.DENIED, ChangeState.WITHDRAWN)
_DONE = (ChangeState.APPLIED, ChangeState.FAILED)

_MEANS = {
    (BreakerState.CLOSED, False): "changes pass again",
    (BreakerState.OPEN, False): "no agent changes anything there",
    (BreakerState.PROBATION, False): "only little passes",
    (BreakerState.CLOSED, True): "no agent changes anything there",
    (BreakerState.OPEN, True): "no agent changes anything there",
    (BreakerState.PROBATION, True): "no agent changes anything there",
}


def event_of(change: Change) -> Event | None:
    """What the state of a change is to people; None when it is no news: small work that passes by itself is not told."""
    if change.state in _DECIDED:
        return Event.DECIDED
    if change.state is ChangeState.EXPIRED:
        return Event.EXPIRED
    if change.state is ChangeState.IN_DOUBT:
        return Event.APPLIED
    if change.state in _DONE and change.reverts:
        return Event.REVERTED
    return Event.APPLIED if change.state in _DONE and remedies(change) else None


def _again(change: Change) -> str:
    """Tells apart that a change comes to the same state more than once: an approval that is given back, another attempt."""
    if change.state is ChangeState.APPROVED:
        return f"{change.nonce}/{change.marker.get('undo', '')}"
    return change.marker.get("undo", "") if change.state is ChangeState.IN_DOUBT else ""


def moment(at: datetime) -> str:
    """A time in UTC to the minute."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _deed(change: Change) -> str:
    """`fixer would delete 1,204 rows of public·orders (shop, production)`."""
    done = change.state is ChangeState.APPLIED
    who, what = change.agent, _effects(change, done)
    if change.reverts:
        who = change.requested_by or change.agent
        verb, means = "reverted" if done else "revert", _effects(change, False)
        what = f"{verb} {change.reverts} of {name(change.agent)}, which means: {means}"
    lost = (
        "" if all(e.reversible or not e.count for e in change.measurement.effects) else "; cannot be undone"
    )
    said = what if done else f"would {what}"
    return f"{name(who)} {said} ({name(change.target)}, {name(change.environment)}{lost})"


def _effects(change: Change, done: bool) -> str:
    effects = gravest_first(change.measurement.effects)
    if not effects:
        return _operations(change.operations, done)
    return _joined([_effect(e, done) for e in effects[:MOST]], len(effects) - MOST)


def _effect(effect: Effect, done: bool) -> str:
    verb, what = _VERBS[effect.change][done], name(effect.resource.name)
    if effect.unit.data:
        number = f"{effect.count:,} {effect.unit.value if effect.count != 1 else effect.unit.value.removesuffix('s')}"
        said = f"{verb} {number} of {what}"
    else:
        said = f"{verb} {_thing(effect.resource)}"
    return f"{said} (not measured)" if effect.evidence is Evidence.UNKNOWN else said


def _operations(operations: Sequence[Operation], done: bool) -> str:
    """What was asked, when no effect of it is known."""
    said = [f"{_ACTIONS[o.action][done]} {_thing(r)}" for o in operations for r in o.resources]
    return (
        _joined(said[:MOST], len(said) - MOST)
        or ("did" if done else "do") + " something whose effect is not known"
    )


def _thing(resource: Resource) -> str:
    return f"{name(resource.kind)} {name(resource.name)}"


def _joined(parts: Sequence[str], more: int) -> str:
    return ", ".join(parts) + (f" and {more:,} more" if more > 0 else "")


def _joined_after(operations: int, changes: Sequence[str]) -> str:
    """`5 operations (CHG-7K3F9Q2M, CHG-7K3F9Q2N and 1 more)`."""
    said = f"{operations:,} operation{'' if operations == 1 else 's'}"
    return f"{said} ({_joined(changes[-MOST:], len(changes) - MOST)})" if changes else said


def _numbers(effects: Iterable[Effect]) -> dict[str, int]:
    found = totals(effects)
    return {field: getattr(found, field) for field in found.__struct_fields__}
