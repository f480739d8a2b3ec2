"""Looking into a change: a sample of its rows and definitions, its entries in the ledger, and the policies that decided.

Values are masked. Who may see them is told by the configuration (`samples`), and each time somebody does, it is recorded before
they are given. Agents never are.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias, assert_never

import msgspec

from interlock.control.signals.said import signal_words
from interlock.ledger.entry import KINDS, EntryError
from interlock.ledger.entry import decode as decode_entry
from interlock.model import masking, sample
from interlock.model.base import Json, Value
from interlock.model.change import Change, ChangeState
from interlock.model.decision import Hold, Rehearse
from interlock.model.errors import NotFound, Rejected, Unavailable
from interlock.model.ids import PATTERN
from interlock.model.masking import Diff
from interlock.model.sample import Rows, Sample, Text
from interlock.pipeline.recorded import bodies, records
from interlock.pipeline.recorded.records import SAMPLE
from interlock.runtime.background import samples
from interlock.runtime.core import Core
from interlock.sdk.ports import ReadTx, Tx

Shown: TypeAlias = Rows | Diff
_UNDER_WAY = frozenset({ChangeState.HELD, ChangeState.APPROVED})


class NotAllowed(Rejected):
    """Values are not for this person."""


class SampleView(Value, frozen=True):
    """A sample as somebody may see it. `revealed` tells that the values are in it, `may_reveal` that the viewer could have them.
    `stored` is False when nothing is stored (any more); `more` counts resources that are not here."""

    change: str
    parts: tuple[Shown, ...] = ()
    revealed: bool = False
    may_reveal: bool = False
    stored: bool = False
    more: int = 0


class Step(Value, frozen=True):
    """An entry of the ledger about a change, in words: `who` did it (empty for the gateway), `what` and, if somebody said so,
    `why`. `other` is another change that it names, `scope` a breaker that opened after it."""

    index: int
    at: datetime
    kind: str
    what: str
    who: str = ""
    why: str = ""
    other: str = ""
    scope: str = ""


class Ground(Value, frozen=True):
    """A policy that decided: its `id`, what it says in plain words (empty when there is none of that name now), and the remedies
    that would lift it. `final` tells that nothing does."""

    id: str
    words: str
    remedies: tuple[str, ...] = ()
    final: bool = False


class Insight:
    """The service. `reveal` are the groups whose people may see values."""

    def __init__(self, core: Core, reveal: Sequence[str]) -> None:
        self._core, self._reveal = core, frozenset(reveal)

    async def sample(self, change_id: str, viewer: str, *, reveal: bool = False) -> SampleView:
        """A sample of what a change touches; with `reveal`, its values. `viewer` is a person, or empty for somebody who is not
        known by name. Raises NotFound; NotAllowed when the viewer may not see values."""
        change, kept, parts, allowed = await self._core.store.read(
            lambda tx: (*_stored(tx, change_id), self._may(tx, viewer))
        )
        if reveal and not allowed:
            raise NotAllowed(_NOT_ALLOWED)
        found = await self._found(change, kept, parts)
        if reveal and found.parts:
            await self._core.store.transact(lambda tx: self._viewed(tx, change, viewer, found))
        shown = tuple(_shown(part, reveal=reveal) for part in found.parts)
        stored = bool(kept or parts)
        return SampleView(change.id, shown, reveal and bool(shown), allowed, stored, found.more)

    async def _found(self, change: Change, kept: bytes, parts: Sequence[bytes]) -> Sample:
        """What was done is told by its before-image; what waits, or has none, by what was kept when it was measured."""
        found = await samples.of_parts(self._core, change.target, parts)
        if not found.parts:
            try:
                found = sample.decode(kept)
            except msgspec.DecodeError:
                raise Unavailable(f"the sample of {change.id} cannot be read") from None
        return sample.counted(sample.decode(sample.encode(found)), change.measurement.effects)

    def _may(self, tx: ReadTx, viewer: str) -> bool:
        person = tx.person(viewer) if viewer else None
        return person is not None and not person.disabled and bool(self._reveal & set(person.groups))

    def _viewed(self, tx: Tx, change: Change, viewer: str, found: Sample) -> None:
        """Recorded before the values leave, by somebody who may see them at that moment."""
        if not self._may(tx, viewer):
            raise NotAllowed(_NOT_ALLOWED)
        names = [bodies.cut(f"{p.resource.kind} {p.resource.name}") for p in found.parts[: bodies.SHOWN]]
        body: dict[str, Json] = {
            **bodies.subject(change),
            "person": viewer,
            "resources": names,
            "resources_in_all": len(found.parts),
            "revealed": True,
        }
        tx.append("sample.viewed", body)

    async def timeline(self, change_id: str) -> Sequence[Step]:
        """The entries about a change, in order. Raises NotFound."""

        def read(tx: ReadTx) -> Sequence[tuple[int, bytes]]:
            records.found(tx, change_id)
            return tx.entries_of(change_id)

        return [_step(index, data, change_id) for index, data in await self._core.store.read(read)]

    def grounds(self, change: Change) -> Sequence[Ground]:
        """The policies that decided a change, as they are now."""
        engine = self._core.policies.engine
        lifts = isinstance(change.decision, Hold | Rehearse)
        found = []
        for reason in change.decision.reasons:
            policy = engine.policies.get(reason)
            remedies = policy.remedies if policy is not None else ()
            if policy is None and lifts and isinstance(change.decision, Hold | Rehearse):
                remedies = change.decision.remedies
            found.append(
                Ground(reason, engine.explain(reason), remedies, policy is not None and not remedies)
            )
        return found


_NOT_ALLOWED = "values are shown only to people of the groups that the configuration names (samples: reveal)"


def _stored(tx: ReadTx, change_id: str) -> tuple[Change, bytes, Sequence[bytes]]:
    """The change, its kept sample and its before-image. Raises NotFound."""
    change = records.found(tx, change_id)
    try:
        kept = tx.payload(change_id, SAMPLE)
    except NotFound:
        kept = b""
    parts = () if change.state in _UNDER_WAY else records.image(tx, change, samples.MOST)
    return change, kept, parts


def _shown(part: sample.Part, *, reveal: bool) -> Shown:
    match part:
        case Rows():
            return part if reveal else masking.masked(part)
        case Text():
            return masking.compared(part, reveal=reveal)
        case _:
            assert_never(part)


_WORDS = {
    "change.held": "held: people are asked",
    "decision": "decided",
    "approval": "approved",
    "denial": "denied",
    "approval.refused": "a signature that did not count",
    "approval.withdrawn": "approval taken back",
    "comment": "commented",
    "intent": "about to take effect",
    "outcome": "ended",
    "recovery": "found out what became of it",
    "revert": "reverted",
    "sample.viewed": "values shown",
    "breaker": "a breaker moved",
    "payload.destroyed": "statements, before-image and sample destroyed",
}


def _step(index: int, data: bytes, change_id: str) -> Step:
    try:
        found = decode_entry(data)
    except EntryError:
        raise Unavailable(f"entry {index} of the ledger cannot be read") from None
    body = found.body
    what = _WORDS.get(found.kind) or KINDS.get(found.kind, found.kind)
    if found.kind == "breaker" and (signal := _text(body, "signal")):
        words = f"opened {_text(body, 'scope')}: {signal_words(signal)}"
        return Step(index, found.at, found.kind, words, why=_text(body, "reason"), scope=_text(body, "scope"))
    if found.kind == "change.moved":
        what = f"{_text(body, 'from')} → {_text(body, 'to')}"
    elif state := _text(body, "state"):
        what = f"{what}: {state.replace('_', ' ')}"
    elif "revert" in _text(body.get("statement"), "purpose"):
        what = "wished to revert"
    other = next(
        (t for n in ("by_change", "reverts", "replaces", "change") if _other(t := _text(body, n), change_id)),
        "",
    )
    why = _text(body, "why") or _text(body.get("statement"), "reason") or _text(body, "note")
    return Step(index, found.at, found.kind, what, _text(body, "person") or _text(body, "by"), why, other)


def _other(text: str, change_id: str) -> bool:
    return text != change_id and PATTERN.fullmatch(text) is not None


def _text(body: object, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""
