"""The state of a database, looked at past the gateway and without the product's code, and what changed between two looks.

A look costs what changed: whether anything did is told by the server's transaction ids (no row can change without one), which
relations by a sum over (ctid, xmin) of their row versions, and only new versions are read. Sequences, files, replication slots,
sessions, locks and notifications, which need no transaction id, are looked at each time.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from tests.real.oracle.catalog_names import Address, Names, Row

from interlock.testing.peers.pg import PgDatabase

IGNORED = ("pg_statistic", "pg_statistic_ext_data")
"""The planner's numbers, which any ANALYZE writes."""

MASKED: dict[str, tuple[str, ...]] = {
    "pg_class": (
        *(
            "relfilenode",
            "relpages",
            "reltuples",
            "relallvisible",
            "relallfrozen",
            "relfrozenxid",
            "relminmxid",
        ),
        *(
            "relhasindex",
            "relhasrules",
            "relhastriggers",
            "relhassubclass",
            "relchecks",
            "relnatts",
            "relrewrite",
        ),
    ),
    "pg_database": ("datfrozenxid", "datminmxid", "dathasloginevt"),
    "pg_index": ("indcheckxmin",),
    "pg_attribute": ("attcacheoff",),
}
"""Columns that tell where and how something is stored, or repeat what other rows say."""

_FINGERPRINT = "pg_catalog.bit_xor(pg_catalog.hashtidextended(ctid, xmin::pg_catalog.text::pg_catalog.int8))"


PATIENCE_S = 20.0
_MOMENT = threading.Event()
"""Never set."""


Version = tuple[str, str]
"""A row's ctid and xmin."""


def _block(ctid: str) -> int:
    return int(ctid[1 : ctid.index(",")])


@dataclass(slots=True)
class Content:
    """One relation as it was seen last: by block a mark and by row version (ctid, xmin) the catalog row, or the hash of a user's
    row."""

    mark: tuple[Any, ...] = (0, None)
    marks: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    blocks: dict[int, dict[Version, Any]] = field(default_factory=dict)

    @property
    def rows(self) -> Iterator[Any]:
        return (row for block in self.blocks.values() for row in block.values())

    def add(self, ctid: str, xmin: str, row: Any) -> None:
        self.blocks.setdefault(_block(ctid), {})[ctid, xmin] = row


@dataclass(frozen=True, slots=True)
class TableChange:
    """Rows of one table that came and went (as values: rows that were only moved are not counted). `names` are its
    names (`schema.table`) before and after."""

    names: tuple[str, ...]
    gained: int
    lost: int
    created: bool
    dropped: bool


@dataclass(frozen=True, slots=True)
class SequenceChange:
    """A sequence's (last value, is called). `forward` tells that values were taken: they may have been, in the sequence's own
    direction."""

    name: str
    before: tuple[int, bool]
    after: tuple[int, bool]
    forward: bool = True


@dataclass(slots=True)
class Difference:
    """Between two looks. `beyond` is what lies outside of tables, as (kind, name)."""

    created: list[Row] = field(default_factory=list)
    deleted: list[Row] = field(default_factory=list)
    updated: list[tuple[Row, Row]] = field(default_factory=list)
    tables: list[TableChange] = field(default_factory=list)
    sequences: list[SequenceChange] = field(default_factory=list)
    beyond: list[tuple[str, str]] = field(default_factory=list)
    names: Names = field(default_factory=lambda: Names(lambda _: [], ()))

    def without_recreated(self) -> None:
        """Forget what was dropped and made again alike (ALTER COLUMN TYPE and REINDEX do that to indexes and constraints)."""
        again = Counter(self.names.signature(row) for row in self.created)
        again &= Counter(self.names.signature(row) for row in self.deleted)
        for rows in (self.created, self.deleted):
            left = again.copy()
            kept = []
            for row in rows:
                signature = self.names.signature(row)
                if left[signature] > 0:
                    left[signature] -= 1
                else:
                    kept.append(row)
            rows[:] = kept
        self.updated = [
            (old, new) for old, new in self.updated if self.names.signature(old) != self.names.signature(new)
        ]

    def without_indexes(self) -> None:
        """Forget what belongs to indexes."""

        def kept(row: Row) -> bool:
            closure = self.names.closure(row).values()
            return not any(one.values.get("relkind") in ("i", "I") for rows in closure for one in rows)

        self.created = [row for row in self.created if kept(row)]
        self.deleted = [row for row in self.deleted if kept(row)]
        self.updated = [(old, new) for old, new in self.updated if kept(new)]

    @property
    def rows_only(self) -> bool:
        return not (self.created or self.deleted or self.updated)

    @property
    def empty(self) -> bool:
        """Nothing at all."""
        return self.rows_only and not (self.tables or self.sequences or self.beyond)

    def words(self) -> list[str]:
        """For people."""
        said = [f"+ {self.names.label(row)}" for row in self.created]
        said += [f"- {self.names.label(row)}" for row in self.deleted]
        for old, new in self.updated:
            fields = [k for k in new.values if old.values.get(k) != new.values[k]]
            said.append(f"~ {self.names.label(new)} ({', '.join(fields)})")
        said += [f"rows of {t.names[-1]}: +{t.gained} -{t.lost}" for t in self.tables]
        said += [f"sequence {s.name}: {s.before} -> {s.after}" for s in self.sequences]
        return said + [f"{kind} {name}" for kind, name in self.beyond]


class Watcher:
    """Looks at one database as the superuser. `channels` are listened to, `folder` is watched for files besides the data directory,
    `role` is whose new session's settings are compared, and a session of whose must stay alive."""

    def __init__(
        self, database: PgDatabase, role: str, *, channels: tuple[str, ...] = (), folder: Path | None = None
    ) -> None:
        self.database, self.role, self.folder = database, role, folder
        self._conn = database.connect(autocommit=True, prepare_threshold=2)
        self._conn.execute("SET search_path = pg_catalog; SET lock_timeout = '3s'; SET timezone = 'UTC'")
        self._listener = database.connect(autocommit=True)
        self._heard: list[str] = []
        self._listener.add_notify_handler(lambda notice: self._heard.append(notice.channel))
        for channel in channels:
            self._listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        self._canaries: list[psycopg.Connection] = []
        self.renew()
        ((self._database_oid,),) = self.ask(
            "SELECT oid::text FROM pg_database WHERE datname = current_database()"
        )
        self._keys = self._key_columns()
        self._contents: dict[str, Content] = {name: Content() for name in self._keys}
        self._by_address: dict[Address, Row] = {}
        self._tables: dict[str, Content] = {}
        self._snapshot = ""
        self._sequences: dict[str, tuple[str, tuple[int, bool]]] = {}
        self._beyond: Counter[tuple[str, str]] = Counter()
        self._settings: dict[str, str] = {}
        self.looks = 0
        self.look(settings=True)

    def close(self) -> None:
        for connection in (self._conn, self._listener, *self._canaries):
            connection.close()

    def renew(self) -> None:
        """New sessions that must stay alive."""
        for connection in self._canaries:
            connection.close()
        users: tuple[dict[str, str], ...] = ({}, {"user": self.role})
        self._canaries = [
            self.database.connect(autocommit=True, application_name="canary", **user) for user in users
        ]

    def ask(self, statement: str, *args: Any) -> list[tuple[Any, ...]]:
        return self._conn.execute(statement.encode(), args or None).fetchall()

    # -- looking

    def look(self, *, settings: bool = False) -> Difference:
        """What changed since the last look. `settings`, for when the agent's session has ended, also compares what a
        new one begins with, and waits for advisory locks to be gone."""
        self.looks += 1
        difference = Difference()
        ((snapshot,),) = self.ask("SELECT pg_current_snapshot()::text")
        if snapshot != self._snapshot:
            self._snapshot = snapshot
            self._look_at_catalogs(difference)
            self._look_at_tables(difference)
            if difference.deleted:
                difference.without_recreated()
        self._look_at_sequences(difference)
        if settings:
            self._wait_for_locks()
            self._look_at_settings(difference)
        self._look_beyond(difference)
        return difference

    def _key_columns(self) -> dict[str, tuple[str, ...]]:
        found = self.ask(
            "SELECT c.relname::text, (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index i JOIN pg_attribute a"
            " ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary)"
            " FROM pg_class c WHERE c.relnamespace = 11 AND c.relkind = 'r' ORDER BY 1"
        )
        return {name: tuple(keys or ()) for name, keys in found if name not in IGNORED}

    def _marks(self, relations: dict[str, str]) -> dict[str, tuple[Any, ...]]:
        """Number and fingerprint of the row versions of each relation (key → SQL name)."""
        if not relations:
            return {}
        parts = [
            f"SELECT '{key}', count(*), {_FINGERPRINT} FROM ONLY {name}" for key, name in relations.items()
        ]
        return {key: (count, mark) for key, count, mark in self.ask(" UNION ALL ".join(parts))}

    # -- catalogs

    def _look_at_catalogs(self, difference: Difference) -> None:
        made: dict[Address, Row] = {}
        gone: dict[Address, Row] = {}
        for name, mark in self._marks({n: f"pg_catalog.{n}" for n in self._contents}).items():
            content = self._contents[name]
            if content.mark == mark:
                continue
            content.mark = mark
            old, new = self._catalog(name, content)
            made |= {row.address: row for row in new}
            gone |= {row.address: row for row in old}
        for address in gone:
            self._by_address.pop(address, None)
        self._by_address.update(made)
        depends = itertools.chain(
            self._contents["pg_depend"].rows, [row for row in gone.values() if row.catalog == "pg_depend"]
        )  # read when first asked for, which must be before the next look
        difference.names = Names(
            lambda a: [r for r in (self._by_address.get(a), gone.get(a)) if r is not None], depends
        )
        own = str(self._database_oid)
        for address, row in made.items():
            if row.values.get("dbid", 0) not in (0, own, "0"):
                continue
            before = gone.pop(address, None)
            if before is None:
                difference.created.append(row)
            elif before.values != row.values:
                difference.updated.append((before, row))
                gone[address] = before  # its old name is still asked for
        changed = {new.address for _, new in difference.updated}
        difference.deleted = [
            row
            for address, row in gone.items()
            if address not in changed and row.values.get("dbid", 0) in (0, own, "0")
        ]

    def _catalog(self, name: str, content: Content) -> tuple[list[Row], list[Row]]:
        old, wanted = self._versions(f"pg_catalog.{name}", content)
        masked = MASKED.get(name, ())
        found = self.ask(
            f"SELECT ctid::text, xmin::text, to_jsonb(c) FROM pg_catalog.{name} c WHERE ctid = ANY (%s::tid[])",
            [ctid for ctid, _ in wanted],
        )
        new = []
        for ctid, xmin, values in found:
            for column in masked:
                values.pop(column, None)
            keys = self._keys[name] or tuple(values)
            row = Row(name, "/".join(str(values[k]) for k in keys), values)
            content.add(ctid, xmin, row)
            new.append(row)
        return old, new

    def _versions(self, name: str, content: Content) -> tuple[list[Any], list[Version]]:
        """What was known of row versions that are gone (and is forgotten now), and the new versions. Only blocks whose mark is
        another one are looked into."""
        block = "(ctid::text::point)[0]::int8"
        found = self.ask(f"SELECT {block}, count(*), {_FINGERPRINT} FROM ONLY {name} GROUP BY 1")
        marks = {number: (count, mark) for number, count, mark in found}
        changed = [b for b in marks.keys() | content.marks.keys() if marks.get(b) != content.marks.get(b)]
        content.marks = marks
        now = set(
            self.ask(
                f"SELECT ctid::text, xmin::text FROM ONLY {name} WHERE {block} = ANY (%s::int8[])", changed
            )
        )
        old: list[Any] = []
        new: list[Version] = []
        for number in changed:
            known = content.blocks.get(number, {})
            old += [known.pop(version) for version in known.keys() - now]
        for ctid, xmin in now:
            if (ctid, xmin) not in content.blocks.get(_block(ctid), {}):
                new.append((ctid, xmin))
        return old, new

    # -- rows

    def _look_at_tables(self, difference: Difference) -> None:
        locked = {
            str(oid)
            for (oid,) in self.ask(
                "SELECT relation FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND granted"
            )
        }
        present = {
            row.key: row
            for row in self._contents["pg_class"].rows
            if row.values["relkind"] in "rm"
            and row.values["relpersistence"] != "t"
            and row.namespace not in ("11", "99")
            and (row.values["relkind"] != "m" or row.values["relispopulated"])
        }
        marks = self._marks({key: self._sql_name(row) for key, row in present.items() if key not in locked})
        for key, mark in marks.items():
            known = self._tables.get(key)
            if known is not None and known.mark == mark:
                continue
            content = self._tables.setdefault(key, Content())
            content.mark = mark
            change = self._rows(present[key], content, difference.names, created=known is None)
            if change.gained or change.lost:
                difference.tables.append(change)
        for key in self._tables.keys() - present.keys():
            content = self._tables.pop(key)
            rows = difference.names.find(("pg_class", key))
            number = sum(1 for _ in content.rows)
            if number and rows:
                names = tuple(self._name(row, difference.names) for row in rows)
                difference.tables.append(TableChange(names, 0, number, False, True))

    def _sql_name(self, row: Row) -> str:
        schema = self._by_address["pg_namespace", row.namespace].name
        return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, row.name)).replace("%", "%%")

    @staticmethod
    def _name(row: Row, names: Names) -> str:
        return f"{''.join(sorted(names.schemas(row)))}.{row.name}"

    def _rows(self, table: Row, content: Content, names: Names, *, created: bool) -> TableChange:
        name = self._sql_name(table)
        gone, wanted = self._versions(name, content)
        old = Counter(gone)
        select = (
            f'SELECT ctid::text, xmin::text, hashtextextended("_row "::text, 0) FROM ONLY {name} AS "_row "'
        )
        try:
            found = self.ask(f"{select} WHERE ctid = ANY (%s::tid[])", [ctid for ctid, _ in wanted])
        except psycopg.Error:  # a type without a working output function: the version stands for the value
            found = [(c, x, f"{c} {x}") for c, x in wanted]
        for ctid, xmin, value in found:
            content.add(ctid, xmin, value)
        new = Counter(value for _, _, value in found)
        versions = tuple(self._name(row, names) for row in names.find(("pg_class", table.key)))
        return TableChange(versions, (new - old).total(), (old - new).total(), created, False)

    # -- what needs no transaction id

    def _look_at_sequences(self, difference: Difference) -> None:
        rows = [
            row
            for row in self._contents["pg_class"].rows
            if row.values["relkind"] == "S" and row.values["relpersistence"] != "t"
        ]
        now: dict[str, tuple[str, tuple[int, bool]]] = {}
        if rows:
            name = {row.key: self._sql_name(row) for row in rows}
            parts = [f"SELECT '{key}', last_value, is_called FROM {name[key]}" for key in name]
            label = {
                row.key: f"{self._by_address['pg_namespace', row.namespace].name}.{row.name}" for row in rows
            }
            now = {k: (label[k], (value, called)) for k, value, called in self.ask(" UNION ALL ".join(parts))}
        for key, (label_now, value) in now.items():
            before = self._sequences.get(key)
            if before is not None and before[1] != value:
                own = self._by_address["pg_sequence", key].values
                step = value[0] - before[1][0]
                forward = own["seqcycle"] or (value[1] and step * own["seqincrement"] >= 0)
                difference.sequences.append(SequenceChange(label_now, before[1], value, forward))
        self._sequences = now

    def _wait_for_locks(self) -> None:
        """Advisory locks are the session's: none may outlive it. A server process takes its time to end."""
        deadline = time.monotonic() + PATIENCE_S
        while self.ask("SELECT FROM pg_locks WHERE locktype = 'advisory'"):
            assert time.monotonic() < deadline, "an advisory lock outlived its session"
            _MOMENT.wait(0.02)

    def _look_beyond(self, difference: Difference) -> None:
        now: Counter[tuple[str, str]] = Counter()
        pids = [c.info.backend_pid for c in self._canaries]
        found = self.ask(
            "SELECT 'slot', slot_name::text FROM pg_replication_slots UNION ALL"
            " SELECT 'prepared transaction', gid FROM pg_prepared_xacts WHERE database = current_database() UNION ALL"
            " SELECT 'session', 'canary ' || i FROM unnest(%s::int4[]) WITH ORDINALITY AS p (pid, i)"
            " WHERE EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = p.pid)",
            pids,
        )
        now.update((kind, name) for kind, name in found)
        data = self.database.cluster.data
        for folder in (data, *([self.folder] if self.folder else [])):
            for path in folder.iterdir():
                if path.name.startswith(("pg_internal", "postmaster", "current_logfiles")) or path.is_dir():
                    continue
                stat = path.stat()
                now["file", f"{path.name} {stat.st_size} {stat.st_mtime_ns}"] += 1
        difference.beyond += [*(now - self._beyond), *(self._beyond - now)] if self._beyond else []
        self._beyond = now
        # The sender's commit signals the listening process, which answers with what it has heard when it is asked next.
        self._listener.execute("SELECT")
        difference.beyond += [("notification", channel) for channel in self._heard]
        self._heard.clear()

    def _look_at_settings(self, difference: Difference) -> None:
        with self.database.connect(user=self.role, autocommit=True) as connection:
            found = connection.execute("SELECT name, setting FROM pg_catalog.pg_settings").fetchall()
        now: dict[str, str] = dict(found)
        if self._settings:
            difference.beyond += [("setting", n) for n in now if now[n] != self._settings.get(n)]
        self._settings = now
