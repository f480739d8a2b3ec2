"""Before-images of changed rows without DDL on the user's tables (DESIGN section 9, "Before-images").

Way 1 knows the old versions from `SELECT … FOR UPDATE` by the statement's own predicate, just before it; way 2 finds them among the
versions whose xmax is set; way 3 has them from history triggers (`by_history`). All are checked alike: the transaction no longer
sees the version, a fresh statement of the observer still does, and the numbers agree with the counters. A table for which
something is missing gets a `reason` and no image.

With ways 1 and 3 everything is learnt in one step (observer and agent at the same time) and costs what the rows cost that
changed; way 2 takes three and reads the table.
"""

from collections.abc import Iterator, Sequence

from interlock.connectors.postgres.preview.context import Context
from interlock.connectors.postgres.preview.first import Counts, Facts
from interlock.connectors.postgres.preview.rows import touched
from interlock.connectors.postgres.preview.rows.by_history import by_history
from interlock.connectors.postgres.preview.rows.snapshot import Snapshot
from interlock.connectors.postgres.preview.rows.touched import CHUNK, Touched
from interlock.connectors.postgres.queries import Ask, QueryFailed, Rows, Statement, Steps, answered, ask

_TAIL_BLOCKS = 16
"""How many blocks at a table's end are searched for new rows before the whole table is."""
_OTHERS = 5_000
"""How many new versions of other, younger transactions a search may meet besides the own ones."""
_VISIBILITY_CHUNK = 20_000
_ROW_SECURITY_ON: Statement = ("SELECT pg_catalog.set_config('row_security', 'on', true)", ())
_ROW_SECURITY_OFF: Statement = ("SELECT pg_catalog.set_config('row_security', 'off', true)", ())
_SNAPSHOT: Statement = ("SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text", ())

_REASONS = {
    "42501": "not everything in {} may be read (privileges or row security)",
    "55P03": "{} is locked by somebody else",
    "57014": "reading {} took too long",
}


def plan(counts: Counts, context: Context, links: Sequence[tuple[str | None, str | None]] = ()) -> Touched:
    """Choose the way for one table. `links` are what its history triggers wrote down, if it has them."""
    captured = [ctid for c in context.captured for oid, ctid in c.rows if oid == str(counts.oid)]
    replaced = counts.updated + counts.deleted
    way = "new" if not replaced else "predicate" if len(captured) == replaced else "xmax"
    if links and (way != "predicate" or counts.inserted):
        # New rows too are known by their places: nothing is searched for.
        way = "history"
    table = Touched(counts, way, captured, links=list(links))
    if not context.observer:
        table.reason = "there is no observer to read rows as they were"
    elif counts.name is None:
        table.reason = "a table came into being while the transaction was open"
    elif counts.alone:
        table.reason = f"{table.label} was altered in the same transaction"
    elif counts.kind == "m":
        table.reason = "a materialized view is refreshed again, not undone"
    return table


def image(table: Touched, facts: Facts, context: Context) -> Steps[None]:
    """Find the touched rows of one table (a part for `queries.together`)."""
    if table.reason:
        return
    own = str(int(facts.xid or 0) & 0xFFFFFFFF)
    try:
        if table.way == "predicate" and not (yield from _by_predicate(table, context, own)):
            _afresh(table, "xmax")
        if table.way == "history" and not (yield from by_history(table, context, own)):
            _afresh(table, "xmax" if table.replaced else "new")
        if table.way == "xmax":
            yield from _by_xmax(table, facts, context, own)
        elif table.way == "new":
            yield from _tail(table, context, own)
        if not table.reason:
            yield from _confirm(table)
        if not table.reason and not table.agrees() and table.counts.inserted:
            yield from _everywhere(table, context, own)
    except QueryFailed as failed:
        table.reason = _REASONS.get(failed.sqlstate, "reading {} failed (" + failed.sqlstate + ")").format(
            table.label
        )
    if not table.reason and not table.agrees():
        table.reason = f"what changed in {table.label} could not be told row by row"


def _afresh(table: Touched, way: str) -> None:
    table.way = way
    table.old, table.new, table.chain, table.unsure = {}, {}, {}, set()
    table.bytes = 0


def count_before(table: Touched) -> Steps[None]:
    """Count a table as it was, no further than any share needs: from a hundred times the change on, the share is 1 %."""
    if not table.replaced or table.counts.name is None:
        return
    most = 100 * max(table.counts.updated, table.counts.deleted)
    statement = touched.at_most(table.sql, most)
    if not table.counts.alone:
        (reply,) = yield (Ask("observer", (statement,)),)
        if not isinstance(reply, QueryFailed):
            number = int(reply[0][0][0] or 0)
            table.before = number, number >= most
            return
    (reply,) = yield (Ask("agent", (statement,)),)
    if not isinstance(reply, QueryFailed):
        number = int(reply[0][0][0] or 0)
        table.before = max(0, number + table.counts.deleted - table.counts.inserted), number >= most


# ---- way 1 ------------------------------------------------------------------------------------------------------------


def _by_predicate(table: Touched, context: Context, own: str) -> Steps[bool]:
    """True when every counted change is one of a captured version: none of them is still seen, and there are as many."""
    untouched: set[str] = set()
    for number, chunk in enumerate(_chunks(table.captured, CHUNK)):
        agent = [touched.still_seen(table.sql, chunk), *touched.successors(table.sql, chunk)]
        if number == 0 and table.counts.inserted:
            agent.append(_tail_statement(table, context))
        observer, rows = yield (
            Ask("observer", (touched.old_versions(table.sql, chunk),)),
            Ask("agent", tuple(_as_allowed(table, agent))),
        )
        table.add_old(answered(observer)[0])
        visible, chain, news, *tail = _without_switches(table, answered(rows))
        untouched |= {row[0] or "" for row in visible}
        table.chain |= {old or "": new or "" for old, new in chain}
        for found in (news, *tail):
            table.add_new(found, own)
        if _too_much(table, context):
            return True
    return not untouched


def _as_allowed(table: Touched, statements: list[Statement]) -> list[Statement]:
    """With row security the agent may look through its policies here: the statement found the rows by the same ones, and the
    numbers must agree exactly. (Way 2 may not: rows that a policy hides would look gone.)"""
    return [_ROW_SECURITY_ON, *statements, _ROW_SECURITY_OFF] if table.counts.secured else statements


def _without_switches(table: Touched, replies: list[Rows]) -> list[Rows]:
    return replies[1:-1] if table.counts.secured else replies


# ---- way 2 ------------------------------------------------------------------------------------------------------------


def _by_xmax(table: Touched, facts: Facts, context: Context, own: str) -> Steps[None]:
    if _too_large(table, context):
        return
    candidates = yield from _candidates(table, facts, context, own)
    gone: list[str] = []
    for chunk in _chunks(candidates, _VISIBILITY_CHUNK):
        [visible] = yield from ask(Ask("agent", (touched.still_seen(table.sql, chunk),)))
        seen = {row[0] for row in visible}
        gone += [ctid for ctid in chunk if ctid not in seen]
    for chunk in _chunks(gone, CHUNK):
        observer, agent = yield (
            Ask("observer", (touched.old_versions(table.sql, chunk),)),
            Ask("agent", touched.successors(table.sql, chunk)),
        )
        table.add_old(answered(observer)[0])
        chain, rows = answered(agent)
        table.chain |= {old or "": new or "" for old, new in chain}
        table.add_new(rows, own)
        if _too_much(table, context):
            return


def _candidates(table: Touched, facts: Facts, context: Context, own: str) -> Steps[list[str]]:
    fixed = facts.isolation != "read committed"
    agent = [_SNAPSHOT] if fixed else []
    if table.counts.inserted:
        agent.append(_tail_statement(table, context))
    questions = [Ask("observer", (touched.marked(table.sql, context.limits.candidates),))]
    if agent:
        questions.append(Ask("agent", tuple(agent)))
    replies = yield tuple(questions)
    (marked,) = answered(replies[0])
    rows = answered(replies[1]) if agent else []
    if table.counts.inserted:
        table.add_new(rows.pop(), own)
    if len(marked) > context.limits.candidates:
        table.reason = f"too many rows of {table.label} are in use to tell the changed ones"
        return []
    if not fixed:
        return [ctid or "" for ctid, _ in marked]
    # What was committed after the snapshot is invisible to the transaction without having been touched by it.
    snapshot = Snapshot.parse(rows[0][0][0] or "")
    return [ctid or "" for ctid, xmin in marked if snapshot.knows(int(xmin or 0))]


# ---- new rows ---------------------------------------------------------------------------------------------------------


def _tail_statement(table: Touched, context: Context) -> Statement:
    """From the block on where as many new rows begin when they all lie at the end, and a few blocks before it."""
    counts = table.counts
    blocks = counts.size // context.identity.block_size
    new = counts.inserted + counts.updated
    at_end = blocks if counts.rows < 0 else min(blocks, 2 * blocks * new // max(1, counts.rows + new))
    if counts.size > context.limits.scan_bytes and counts.rows < 0:
        at_end = 0
    return touched.new_versions(table.sql, max(0, blocks - at_end - _TAIL_BLOCKS), _most_new(table))


def _most_new(table: Touched) -> int:
    return table.counts.inserted + table.counts.updated + _OTHERS


def _tail(table: Touched, context: Context, own: str) -> Steps[None]:
    [rows] = yield from ask(Ask("agent", (_tail_statement(table, context),)))
    table.add_new(rows, own)
    _too_much(table, context)


def _everywhere(table: Touched, context: Context, own: str) -> Steps[None]:
    """New rows that took the place of old ones further up in the table."""
    if _too_large(table, context):
        return
    [rows] = yield from ask(Ask("agent", (touched.new_versions(table.sql, 0, _most_new(table)),)))
    table.add_new(rows, own)
    if not _too_much(table, context):
        yield from _confirm(table)


def _confirm(table: Touched) -> Steps[None]:
    """Of the new versions with another xid than the transaction's own keep those of its subtransactions: the ones that the observer
    does not see and the transaction goes on seeing."""
    for chunk in _chunks(sorted(table.unsure), _VISIBILITY_CHUNK):
        [committed] = yield from ask(Ask("observer", (touched.still_seen(table.sql, chunk),)))
        [visible] = yield from ask(Ask("agent", (touched.still_seen(table.sql, chunk),)))
        kept = {row[0] for row in visible} - {row[0] for row in committed}
        for ctid in chunk:
            if ctid not in kept:
                table.new.pop(ctid, None)
    table.unsure = set()


def _too_large(table: Touched, context: Context) -> bool:
    limits = context.limits
    if table.counts.size > limits.scan_bytes or table.counts.rows > limits.scan_rows:
        table.reason = f"{table.label} is too large to search for the changed rows"
    return bool(table.reason)


def _too_much(table: Touched, context: Context) -> bool:
    if table.bytes > context.limits.image_bytes:
        table.reason = f"the before-image of {table.label} is too large"
    return bool(table.reason)


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))
