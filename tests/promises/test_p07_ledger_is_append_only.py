"""P7 The ledger is append-only, and a third party can check that with nothing but the public key."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import aics_tlog
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.promises.conftest import new_shop
from tests.real.conftest import Shop, fails

from interlock.ledger import merkle, tiles
from interlock.ledger.note import SignerKey, parse_vkey, sign_checkpoint
from interlock.ledger.verify import Report, verify_export
from interlock.runtime.stores.log.export import FolderExport
from interlock.testing.gateway import BY
from interlock.testing.peers.pg import PgCluster, PgDatabase

HELD = "IL001"


def life(shop: Shop) -> None:
    """All kinds of entries: sessions, decisions, holds, approvals, denials, intents, outcomes, reverts, switches."""
    gateway = shop.gateway
    with shop.connect() as agent:
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        with fails(HELD):
            agent.execute("DELETE FROM ten")
        first = gateway.approve(gateway.held().id)
        agent.execute("DELETE FROM ten")
        with fails(HELD):
            agent.execute("DELETE FROM tempting")
        gateway.deny(gateway.held().id)
        with fails("IL002"):
            agent.execute("SET track_counts = off")
        gateway.revert(first.id)
        gateway.freeze()
        with fails("IL003"):
            agent.execute("UPDATE ten SET b = 'y' WHERE a = 1")
        gateway.thaw()
        for n in range(3):
            agent.execute("INSERT INTO notes (body) VALUES (%s)", (f"note {n}",))
    gateway.run(gateway.runtime.people.disable("cho", by=BY))


class Evidence(NamedTuple):
    """What a third party has: an export, the public key, and a checkpoint that left the machine earlier."""

    folder: Path
    vkey: str
    pushed: bytes
    size: int


@pytest.fixture(scope="module")
def original(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("ledger")
    with new_shop(pg18, folder / "gateway") as shop:
        store = shop.gateway.runtime.store
        life(shop)
        assert shop.gateway.ledger_ok()
        pushed = shop.gateway.run(store.sign()) or b""
        life_size = len(shop.gateway.entries())
        with shop.connect(shop.new_agent()) as agent:
            agent.execute("INSERT INTO notes (body) VALUES ('later')")
        assert shop.gateway.ledger_ok()
        checkpoint = shop.gateway.run(store.export(folder / "export"))
        vkey = str(store.verifier)
        assert life_size < checkpoint.size
    # From here on there is neither a store nor a master key.
    shutil.rmtree(folder / "gateway")
    return Evidence(folder / "export", vkey, pushed, checkpoint.size)


@pytest.fixture
def evidence(original: Evidence, tmp_path: Path) -> Evidence:
    """A copy to spoil."""
    shutil.copytree(original.folder, tmp_path / "export")
    return original._replace(folder=tmp_path / "export")


def judged(evidence: Evidence, *, pushed: bool = False) -> Report:
    earlier = [evidence.pushed] if pushed else []
    return verify_export(FolderExport(evidence.folder), parse_vkey(evidence.vkey), earlier)


def independently(evidence: Evidence) -> None:
    """The independent verifier's opinion; raises when it does not hold."""
    note = aics_tlog.parse_note((evidence.folder / "checkpoint").read_bytes())
    verdict = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(evidence.vkey))
    if not verdict.log_ok or verdict.size is None or verdict.root is None:
        raise ValueError("the checkpoint is not this log's")
    aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(evidence.folder), verdict.size, verdict.root)


class Entries:
    """The entries of an export, and writing others in their place."""

    def __init__(self, evidence: Evidence) -> None:
        self._folder = evidence.folder
        self._tiles = list(tiles.entry_bundles(evidence.size))
        self.all: list[bytes] = []
        for tile in self._tiles:
            self.all += tiles.read_bundle((self._folder / tile.path).read_bytes())[0]

    def write(self, *, retile: bool = False) -> None:
        """Put what is in `all` into the bundles; with `retile` recompute the Merkle tree of it, too."""
        for path in (self._folder / "tile" / "entries").rglob("*"):
            if path.is_file():
                path.unlink()
        for tile in tiles.entry_bundles(len(self.all)):
            file = self._folder / tile.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(tiles.join_bundle(self.all[tile.start : tile.start + tile.width]))
        if not retile:
            return
        leaves = [merkle.leaf_hash(entry) for entry in self.all]
        assert len(leaves) <= 256, "one tile"
        for path in (self._folder / "tile" / "0").rglob("*"):
            if path.is_file():
                path.unlink()
        (tile,) = tiles.hash_tiles(len(leaves))
        (self._folder / tile.path).parent.mkdir(parents=True, exist_ok=True)
        (self._folder / tile.path).write_bytes(b"".join(leaves))


def kinds(entries: list[bytes]) -> set[str]:
    return {json.loads(entry)["kind"] for entry in entries}


def test_a_whole_life_is_verified_with_the_public_key_alone(evidence: Evidence) -> None:
    assert judged(evidence, pushed=True).ok
    independently(evidence)
    known = {
        "intent",
        "outcome",
        "change.held",
        "approval",
        "denial",
        "decision",
        "revert",
        "freeze",
        "session.opened",
    }
    assert known <= kinds(Entries(evidence).all)


def test_the_command_line_needs_no_more_either(evidence: Evidence, tmp_path: Path) -> None:
    """No configuration, no store, no network: a folder and a key."""
    (tmp_path / "pushed").write_bytes(evidence.pushed)

    def verify() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "interlock", "ledger", "verify", "--export", "export", "--vkey", evidence.vkey,
             "--pushed", "pushed"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    good = verify()
    assert good.returncode == 0, good.stdout + good.stderr
    assert f"{evidence.size} signed entries with 4 signatures" in good.stdout
    entries = Entries(evidence)
    place = next(n for n, e in enumerate(entries.all) if b'"kind":"approval"' in e)
    entries.all[place] = entries.all[place].replace(b'"person":"ann"', b'"person":"ben"')
    entries.write()
    bad = verify()
    assert bad.returncode == 1
    assert f"entry {place}" in bad.stdout


def test_any_altered_entry_is_named(evidence: Evidence) -> None:
    entries = Entries(evidence)
    for place, entry in enumerate(entries.all):
        value = json.loads(entry)
        value["at"] = "2026-01-01T00:00:00.000Z"
        entries.all[place] = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
        entries.write()
        first = judged(evidence).first
        assert first is not None
        assert first.index == place, first
        with pytest.raises((ValueError, OSError)):
            independently(evidence)
        entries.all[place] = entry
    entries.write()
    assert judged(evidence).ok


def test_any_removed_entry_is_named(evidence: Evidence) -> None:
    entries = Entries(evidence)
    for place in range(len(entries.all)):
        removed = entries.all.pop(place)
        entries.write()
        first = judged(evidence).first
        assert first is not None
        assert first.index == place, first
        entries.all.insert(place, removed)
    entries.write()
    assert judged(evidence).ok


def test_any_two_exchanged_entries_are_named(evidence: Evidence) -> None:
    entries = Entries(evidence)
    for place in range(len(entries.all) - 1):
        pair = entries.all[place : place + 2]
        entries.all[place : place + 2] = reversed(pair)
        entries.write()
        first = judged(evidence).first
        assert first is not None
        assert first.index == place, first
        entries.all[place : place + 2] = pair
    entries.write()
    assert judged(evidence).ok


def test_an_entry_put_in_between_is_named(evidence: Evidence) -> None:
    entries = Entries(evidence)
    entries.all.insert(5, entries.all[4])
    entries.write()
    first = judged(evidence).first
    assert first is not None
    assert first.index in (5, len(entries.all) - 1)


def altered(entries: list[bytes]) -> None:
    entries[3] = entries[3].replace(b'"v":1', b'"v":2')


def removed(entries: list[bytes]) -> None:
    del entries[3]


def cut(entries: list[bytes]) -> None:
    del entries[-2:]


def grown(entries: list[bytes]) -> None:
    entries.append(entries[-1])


@pytest.mark.parametrize("spoil", [altered, removed, cut, grown])
def test_a_consistent_forgery_lacks_the_signature(
    evidence: Evidence, spoil: Callable[[list[bytes]], None]
) -> None:
    """Entries and tree recomputed together: everything fits, but for the signed head."""
    entries = Entries(evidence)
    spoil(entries.all)
    entries.write(retile=True)
    assert not judged(evidence).ok
    with pytest.raises((ValueError, OSError)):
        independently(evidence)


def test_a_tail_cut_off_shows_against_a_checkpoint_that_left_the_machine(
    pg18: PgCluster, tmp_path: Path
) -> None:
    """With rows, tree and checkpoints of the tail all gone, the log by itself is whole: only shorter than was witnessed."""
    with new_shop(pg18, tmp_path / "gateway") as shop:
        store = shop.gateway.runtime.store
        shop.gateway.ledger_ok()
        shop.gateway.run(store.export(tmp_path / "export"))
        life(shop)
        shop.gateway.ledger_ok()
        pushed = shop.gateway.run(store.sign()) or b""
        evidence = Evidence(tmp_path / "export", str(store.verifier), pushed, 0)
        assert judged(evidence).ok
        report = judged(evidence, pushed=True)
        assert not report.ok
        assert "truncated" in {f.problem.value for f in report.findings}


def test_another_key_or_signature_is_not_this_logs(evidence: Evidence) -> None:
    name, _, _ = evidence.vkey.partition("+")
    other = SignerKey(name, Ed25519PrivateKey.generate())
    assert judged(evidence._replace(vkey=str(other.verifier))).checkpoint is None
    checkpoint = judged(evidence).checkpoint
    assert checkpoint is not None
    (evidence.folder / "checkpoint").write_bytes(sign_checkpoint(checkpoint, other))
    assert judged(evidence).checkpoint is None
    with pytest.raises(ValueError, match="not this log's"):
        independently(evidence)


# -- the store itself refuses

REWRITES = {
    "sqlite": [
        "UPDATE {t} SET {k} = {k} + 1000",
        "DELETE FROM {t}",
        "DELETE FROM {t} WHERE {k} = 1",
        "INSERT OR REPLACE INTO {t} SELECT * FROM {t}",
        "REPLACE INTO {t} SELECT * FROM {t} LIMIT 1",
        "UPDATE OR IGNORE {t} SET {k} = 0",
    ],
    "postgresql": [
        "UPDATE {t} SET {k} = {k} + 1000",
        "DELETE FROM {t}",
        "DELETE FROM {t} WHERE {k} = 1",
        "INSERT INTO {t} SELECT * FROM {t} ON CONFLICT ({k}) DO UPDATE SET {k} = excluded.{k}",
        "TRUNCATE {t}",
        "WITH gone AS (DELETE FROM {t} RETURNING *) SELECT count(*) FROM gone",
    ],
}
_KEY = {"ledger_entries": "number", "ledger_checkpoints": "size"}
"""The tables with their keys. (Of nodes there are none before the log has 256 entries; they are protected the same way.)"""


@pytest.mark.parametrize("kind", REWRITES)
def test_the_database_refuses_to_rewrite(
    pg18: PgCluster, store18: PgDatabase, tmp_path: Path, kind: str
) -> None:
    """A mistake with all rights (or an intruder without the patience to drop triggers) gets nowhere."""
    url: dict[str, Any] = {"store": store18.dsn()} if kind == "postgresql" else {}
    with new_shop(pg18, tmp_path / "gateway", **url) as shop:
        life(shop)
        shop.gateway.ledger_ok()
        before = shop.gateway.entries()

        def run(statement: str) -> None:
            if kind == "postgresql":
                with store18.connect(autocommit=True, options="-c search_path=interlock") as connection:
                    connection.execute(statement.encode())
                return
            file = shop.gateway.folder / "var/interlock.db"
            with closing(sqlite3.connect(file, isolation_level=None)) as store:
                store.execute(statement)

        for table in _KEY:
            for template in REWRITES[kind]:
                statement = template.format(t=table, k=_KEY[table])
                with pytest.raises((sqlite3.Error, psycopg.Error), match="append-only"):
                    run(statement)
        assert shop.gateway.entries() == before
        assert shop.gateway.ledger_ok()
        with shop.connect() as agent:
            agent.execute("UPDATE ten SET b = 'on' WHERE a = 2")
        assert shop.gateway.ledger_ok()
