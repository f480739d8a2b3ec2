"""The tables, the same on SQLite and PostgreSQL.

A record is its canonical vocabulary value as JSON (``doc``) beside the columns that queries need. Times are
milliseconds since 1970, UTC. On PostgreSQL everything lies in a schema of its own, ``interlock``.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

PG_SCHEMA = "interlock"
metadata = MetaData()

# BIGINT would not become SQLite's rowid, the only column that numbers itself there.
_AutoNumber = BigInteger().with_variant(Integer(), "sqlite")

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("action", Text, nullable=False),
    # Before the document, which is long: what is looked through is not to be read past it.
    Column("words", Text, nullable=False),
    Column("doc", Text, nullable=False),
    Index("changes_by_state", "state", "id"),
    Index("changes_open_of_agent", "agent", "state"),
    Index("changes_by_content", "agent", "target", "content"),
    Index("changes_by_agent", "agent", "id"),
    Index("changes_by_target", "target", "id"),
    Index("changes_by_environment", "environment", "id"),
    Index("changes_by_action", "action", "id"),
)

activity = Table(
    "activity",
    metadata,
    Column("slice", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("changes", BigInteger, nullable=False),
    PrimaryKeyConstraint("slice", "state"),
)
"""How many changes of a slice of time (`requested_at` in whole `ACTIVITY_SLICE`) are in a state: triggers of `changes` count."""

approvals = Table(
    "approvals",
    metadata,
    Column("number", _AutoNumber, primary_key=True),
    Column("change_id", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("doc", Text, nullable=False),
    UniqueConstraint("change_id", "person", "nonce"),
)

taken_back = Table(
    "taken_back",
    metadata,
    Column("number", _AutoNumber, primary_key=True),
    Column("change_id", Text, nullable=False),
    Column("doc", Text, nullable=False),
    Index("taken_back_by_change", "change_id"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("change_id", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("approved_at", BigInteger),
    Column("doc", Text, nullable=False),
    PrimaryKeyConstraint("change_id", "person"),
    Index("reviews_by_person", "person", "approved_at"),
)

break_glass = Table(
    "break_glass",
    metadata,
    Column("id", Text, primary_key=True),
    Column("begun_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("reviewed", Integer, nullable=False),
    Column("doc", Text, nullable=False),
    Index("break_glass_by_end", "ends_at"),
)

payload_keys = Table(
    "payload_keys",
    metadata,
    Column("change_id", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

payloads = Table(
    "payloads",
    metadata,
    Column("change_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("change_id", "name"),
)

agents = Table(
    "agents", metadata, Column("name", Text, primary_key=True), Column("doc", Text, nullable=False)
)

credentials = Table(
    "credentials",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("token_sha256", Text, nullable=False, unique=True),
    Column("doc", Text, nullable=False),
)

people = Table(
    "people", metadata, Column("name", Text, primary_key=True), Column("doc", Text, nullable=False)
)

tickets = Table(
    "tickets",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("doc", Text, nullable=False),
    Index("tickets_by_person", "person", "kind"),
)

grants = Table("grants", metadata, Column("id", Text, primary_key=True), Column("doc", Text, nullable=False))

breakers = Table(
    "breakers", metadata, Column("scope", Text, primary_key=True), Column("doc", Text, nullable=False)
)

tracks = Table(
    "tracks", metadata, Column("scope", Text, primary_key=True), Column("doc", Text, nullable=False)
)
"""What agents left behind lately, by the scope of their breaker: admission reads it with the breaker, in one statement."""

trips = Table(
    "trips",
    metadata,
    Column("number", _AutoNumber, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("scope", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("doc", Text, nullable=False),
    Index("trips_by_time", "at"),
    Index("trips_by_scope", "scope", "at"),
    Index("trips_by_environment", "environment", "at"),
)

in_force = Table(
    "in_force",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("doc", LargeBinary, nullable=False),
)

spent = Table(
    "spent",
    metadata,
    Column("scope", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("slice", BigInteger, nullable=False),
    Column("rows_created", BigInteger, nullable=False),
    Column("rows_updated", BigInteger, nullable=False),
    Column("rows_deleted", BigInteger, nullable=False),
    Column("objects", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "target", "slice"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", _AutoNumber, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("queued_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    Column("holder", Text, nullable=False),
    Column("held_until", BigInteger, nullable=False),
    Column("doc", Text, nullable=False),
    Index("outbox_by_due", "state", "channel", "due_at"),
    Index("outbox_by_queue", "channel", "queued_at"),
)

health = Table(
    "health",
    metadata,
    Column("target", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("doc", Text, nullable=False),
    PrimaryKeyConstraint("target", "name"),
)
"""The checks of targets' health, each with its results."""

watched = Table(
    "watched",
    metadata,
    Column("change_id", Text, primary_key=True),
    Column("target", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("intended_at", BigInteger, nullable=False),
    Column("applied_at", BigInteger),
    Column("blamed", Integer, nullable=False),
    Column("doc", Text, nullable=False),
    Index("watched_by_target", "target", "blamed", "applied_at"),
)
"""Applied changes that are under watch, and those that a check blames until their revert is proposed."""

ledger_head = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("edge", LargeBinary, nullable=False),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

ledger_changes = Table(
    "ledger_changes",
    metadata,
    Column("change_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("change_id", "number"),
)
"""Which entries are about which change: an index of the log, written with the entries, that proves nothing by itself."""

ledger_nodes = Table(
    "ledger_nodes",
    metadata,
    Column("level", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "number"),
)

ledger_checkpoints = Table(
    "ledger_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
    Column("fence", BigInteger, nullable=False),
)

ledger_signer = Table(
    "ledger_signer",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("holder", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

APPEND_ONLY = (ledger_entries, ledger_nodes, ledger_checkpoints)
"""Tables whose rows a trigger protects from UPDATE and DELETE: a mistake must not need the verifier to be found."""
