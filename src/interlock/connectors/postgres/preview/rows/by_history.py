"""Way 3 of before-images: the touched rows as history triggers wrote them down, place by place (see `history`).

What the triggers say is only where to look. The old version is one that the observer still sees and the transaction does not, the
new one is seen by the transaction alone, and the numbers must agree with the counters, as with the other ways.
"""

from collections.abc import Iterator, Sequence

from interlock.connectors.postgres.preview.context import Context
from interlock.connectors.postgres.preview.rows import touched
from interlock.connectors.postgres.preview.rows.touched import CHUNK, Touched
from interlock.connectors.postgres.queries import Ask, Steps, answered


def by_history(table: Touched, context: Context, own: str) -> Steps[bool]:
    """Read the versions that the triggers name. True when they account for everything that was counted; False when another way must
    be tried (triggers were added only after the transaction's first change, say)."""
    leads = {was: becomes for was, becomes in table.links if was is not None and becomes is not None}
    old = list(dict.fromkeys(was for was, _ in table.links if was is not None))
    new = list(dict.fromkeys(becomes for _, becomes in table.links if becomes is not None))
    untouched = 0
    for was, becomes in _portions(old, new):
        observer, agent = yield (
            Ask("observer", (touched.old_versions(table.sql, was),)),
            Ask("agent", (touched.still_seen(table.sql, was), touched.made_at(table.sql, becomes))),
        )
        seen, made = answered(agent)
        table.add_old(answered(observer)[0])
        table.add_new(made, own)
        untouched += len({row[0] for row in seen} & table.old.keys())
        if table.bytes > context.limits.image_bytes:
            table.reason = f"the before-image of {table.label} is too large"
            return True
    table.chain = {was: _end(was, leads) for was in table.old}
    return not untouched and table.agrees()


def _portions(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    for start in range(0, max(len(old), len(new)), CHUNK):
        yield old[start : start + CHUNK], new[start : start + CHUNK]


def _end(place: str, leads: dict[str, str]) -> str:
    """Where a row's versions end. A place is written once by a transaction, so there is no circle (and no endless loop if there
    were)."""
    for _ in range(len(leads)):
        if place not in leads:
            break
        place = leads[place]
    return place
