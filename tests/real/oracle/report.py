"""docs/soundness.md, from the numbers of the runs."""

from typing import Any

_HEAD = """# Soundness: what the gateway measures, against what really changes

A differential oracle (`tests/real/oracle`) runs statements and compares the whole state of the database before and
after: all rows of all tables, all rows of all catalogs (roles, rights, settings, sequences, large objects among
them), sequences' values, the settings that a new session begins with, replication slots, prepared transactions, files
that SQL can write, notifications, advisory locks that outlive their session, and whether other sessions are still
alive. It does not use the product's code for that: row versions are told by the server's own `ctid` and `xmin`, and
whether any transaction wrote by its snapshots. Whatever changed must be in the effects that were recorded **before**
the commit (by object and kind, rows by number), or the statement must have been refused or held, with nothing
changed.

- **Carried on** (`carry.py`): scripts run statement by statement through an observing gateway, which applies what it
  measured. After each piece of work the difference must be covered by the effects recorded for it; what passed as a
  read must have changed nothing. What is refused is run past the gateway, so that later statements find what they
  build on.
- **Cloned** (`clone.py`): each case runs directly in one database, and through an enforcing gateway in another of the
  same content. A held or refused case must leave it as it was; the effects that people are asked about must cover
  what happened directly; held cases are then applied through an observing gateway, and compared again.
- **Nested ways to hide** (`cases.py`): a grammar of effects inside DO, dynamic SQL, functions (SECURITY DEFINER,
  lying about their volatility, with SET clauses, in FROM, WHERE, LIMIT, RETURNING, COPY), views, rules, triggers
  (deferred, on TRUNCATE, by COPY), defaults, checks, generated columns, index expressions and predicates, partition
  keys, domains, arrays, composites and ranges of domains, operators, casts, aggregates, policies and materialized
  views; around them CTEs, EXPLAIN ANALYZE, PREPARE, cursors (WITH HOLD), several statements and transactions in one
  message, savepoints, two-phase commit, settings, comments, temporary and shadowing objects. Each by itself, and nested up
  to three deep at random by hypothesis, by the simple and the extended protocol, with catalogs that the gateway has just
  read and with such as changed a moment ago.

`make oracle` runs it (`--help` of `python -m tests.real.oracle.run` tells of parts and limits; a part begins
nothing more after its minutes, so a run may have tried less than there is), and writes this page and
`soundness.json` beside it. A small part runs in `make test` (`tests/real/test_oracle.py`). What it found is kept
as tests in `tests/real/postgres/test_postgres_holes_found.py`.

## Numbers

Of the last runs, most of them short ones: some 50,000 statements are in the scripts, and 480 cases in the grammar before
any is made up. "Changed" are the pieces of work after which the state was another one. "Refused" by the gateway; "errors" are the
server's own, which the scripts have many of. "More" are pieces of work with more rows measured than changed, which is
allowed: rows touched twice, and savepoints rolled back.

| run | statements | changed | outcomes | more | unmeasured and unrefused |
|---|---:|---:|---|---:|---:|
"""

_TAIL = """
## What is not counted as a change

- Values taken from a sequence, forward: no rollback gives them back, whoever runs them. (`setval` and what else sets
  one back is.)
- The planner's statistics (`pg_statistic`), the server's counters, and how rows are stored: TOAST tables, file nodes,
  rows moved by VACUUM FULL and CLUSTER, indexes that REINDEX makes anew. (These three are decided and recorded before they
  run, because of whom they keep waiting.) A failed `REINDEX CONCURRENTLY` leaves an invalid index, as it does without the
  gateway.
- What was dropped and made again alike (ALTER COLUMN TYPE does that to indexes and constraints; the NOT NULL of a
  partition's column may get another name by it on 18).
- Objects of the session's own: temporary ones, settings, advisory locks while it lasts.
- Bookkeeping that follows from a recorded change of another object: inheritance counts of columns and constraints,
  names and owners of row types.
- That a prepared transaction is there or is discarded: its effects are recorded at PREPARE TRANSACTION, and compared when
  it is committed. One that only locks rows has none, and leaves no record, though its locks stay.
- Agents that are superusers are run in a relaxed environment only; a strict target with such a role is not served.
"""


def document(results: dict[str, Any]) -> str:
    """The page."""
    lines = [_row(name, part) for name, part in sorted(results.items())]
    total = sum(part["statements"] for part in results.values())
    found = sum(len(part["found"]) for part in results.values())
    lines.append(f"| **all** | **{total:,}** | | | | **{found}** |")
    return _HEAD + "\n".join(lines) + "\n" + _refusals(results) + _differences(results) + _TAIL


def _row(name: str, part: dict[str, Any]) -> str:
    outcomes = ", ".join(f"{said} {number:,}" for said, number in sorted(part["outcomes"].items()))
    scripts = f" ({part['scripts']} scripts)" if part["scripts"] else ""
    numbers = f"{part['statements']:,} | {part['changed']:,} | {outcomes}"
    return f"| {name}{scripts} | {numbers} | {part['more_measured_than_changed']:,} | {len(part['found'])} |"


def _refusals(results: dict[str, Any]) -> str:
    reasons: dict[str, int] = {}
    for part in results.values():
        for reason, number in part["refusals"].items():
            reasons[reason] = reasons.get(reason, 0) + number
    most = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:15]
    rows = "".join(f"| {number:,} | {reason.replace('|', '/')} |\n" for reason, number in most)
    return f"\nWhat the scripts were refused most often, as the client reads it:\n\n| times | answer |\n|---:|---|\n{rows}"


def _differences(results: dict[str, Any]) -> str:
    said = ""
    for name, part in sorted(results.items()):
        for found in part["found"]:
            what = "; ".join(found["missing"][:3])
            said += f"- {name}, {found['where']}: {what}\n"
    return f"\n## Unmeasured and unrefused\n\n{said or 'None.'}\n"
