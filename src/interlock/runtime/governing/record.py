"""The content of a proposal as bytes, as text for people, and as the change that it is."""

import hashlib
from collections.abc import Iterator

import msgspec

from interlock.control.change import MACHINE
from interlock.model.base import canonical
from interlock.model.change import Change, Measurement
from interlock.model.decision import Hold
from interlock.model.effect import Effect, Evidence, Unit
from interlock.model.errors import Rejected
from interlock.model.operation import Action, Operation, Resource
from interlock.model.proposal import INTERLOCK, Line, Record, UseConfig, words_of
from interlock.pipeline.recorded import bodies
from interlock.pipeline.recorded.records import CONTENT
from interlock.sdk.connector import Recorded
from interlock.sdk.ports import ReadTx

REASON = "governed"
"""The reason of the Hold of every proposal."""
UNDO = "to undo it, propose the opposite"


def encode(record: Record) -> bytes:
    """Canonical JSON (RFC 8785)."""
    return canonical(record)


def content_of(payload: bytes) -> str:
    """`Change.content` of a proposal."""
    return hashlib.sha256(payload).hexdigest()


def decode(payload: bytes) -> Record:
    """Raises msgspec.ValidationError (of a newer version, or damaged)."""
    return msgspec.json.decode(payload, type=Record)


def read(tx: ReadTx, change: Change) -> Record:
    """The record of a proposal. Raises Rejected when it is not what people were shown, NotFound when it is destroyed."""
    payload = tx.payload(change.id, CONTENT)
    if content_of(payload) != change.content:
        raise Rejected(f"what is stored of {change.id} is not what was proposed")
    return decode(payload)


def recorded(payload: bytes) -> Recorded:
    """What a proposal says: computed on the signer's own machine, too. Raises ValueError for another form."""
    return Recorded(content_of(payload), tuple(statements(decode(payload))))


def statements(record: Record) -> Iterator[str]:
    """What would change, before and after; then the differences of what is long, and the past decisions it would alter."""
    lines = "".join(f"\n  {_line(line)}" for line in record.lines)
    yield f"{words_of(record.wanted)}, proposed by {record.by}{lines}"
    yield from record.diffs
    if isinstance(record.wanted, UseConfig):
        yield "It takes effect where a replica is started again; until then the one before holds there."
    if record.past:
        yield "Past decisions it would alter:\n" + "\n".join(f"  {line}" for line in record.past)


def _line(line: Line) -> str:
    what = f"{line.kind} {line.name}: " if line.name else f"{line.kind}: "
    return f"{what}{line.before or '(nothing)'} → {line.after or '(nothing)'}"


def effects(record: Record) -> tuple[Effect, ...]:
    """The lines as effects."""
    return tuple(
        Effect(
            Resource(line.kind, line.name or INTERLOCK, INTERLOCK),
            line.change,
            1,
            Unit.OBJECTS,
            Evidence.PLANNED,
            reason=UNDO,
            detail=bodies.cut(f"{line.before or '(nothing)'} → {line.after or '(nothing)'}"),
        )
        for line in record.lines
    )


def draft(
    tx: ReadTx, record: Record, payload: bytes, remedy: str, fingerprint: str, person: str, about: str
) -> Change:
    """The change of a proposal, as received. `person` is who proposed, if a person did; `about` is who can't count beside them."""
    now, found = tx.now(), effects(record)
    verb = words_of(record.wanted).upper()
    operation = Operation(Action.ADMIN, bodies.cut(verb, 60), tuple(dict.fromkeys(e.resource for e in found)))
    return Change(
        id="",
        # Written as in records (`person/ann`): never the name of an agent, so that no agent's token shows it.
        agent=record.by,
        owner=about,
        target=INTERLOCK,
        environment=INTERLOCK,
        fingerprint=fingerprint,
        state=MACHINE.start,
        version=1,
        content=content_of(payload),
        operations=(operation,),
        measurement=Measurement(found),
        decision=Hold((remedy,), (REASON,)),
        requested_at=now,
        updated_at=now,
        note=bodies.cut(words_of(record.wanted)),
        requested_by=person,
    )
