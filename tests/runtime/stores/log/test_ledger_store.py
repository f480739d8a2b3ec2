"""The stored ledger: signing, proofs, exports, verification, and what an intruder changes in the rows."""

from pathlib import Path
from typing import Any

import aics_tlog
import pytest
from tests.runtime.stores.conftest import Backend
from tests.runtime.stores.store_values import HOUR, draft, read, transact, wait

from interlock.ledger import merkle, note, proof
from interlock.ledger.log import SigningRefused
from interlock.ledger.note import Checkpoint
from interlock.ledger.verify import Problem, Report, verify_export
from interlock.model.change import ChangeFilter, ChangeState
from interlock.model.errors import Misconfigured, NotFound, Rejected, Unavailable
from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.log.export import FolderExport
from interlock.runtime.stores.rows.writing import SqlTx


def fill(store: SqlStore, count: int) -> None:
    transact(store, lambda tx: [tx.append("decision", {"n": n}) for n in range(count)])


def opened(store: SqlStore, signed: bytes | None) -> Checkpoint:
    assert signed is not None
    return note.open_checkpoint(signed, store.verifier)


def first(report: Report) -> tuple[Problem, int | None]:
    assert not report.ok
    assert report.first is not None
    return report.first.problem, report.first.index


def test_a_new_log_is_signed_at_once(store: SqlStore) -> None:
    assert opened(store, wait(store.checkpoint())).size == 1
    assert wait(store.verify()).ok


def test_a_checkpoint_covers_what_is_durable_and_stays_until_there_is_more(store: SqlStore) -> None:
    fill(store, 299)
    signed = wait(store.sign())
    checkpoint = opened(store, signed)
    assert (checkpoint.origin, checkpoint.size) == (store.origin, 300)
    assert wait(store.sign()) == wait(store.checkpoint()) == signed
    fill(store, 1)
    assert opened(store, wait(store.sign())).size == 301


def test_entries_of_the_same_group_are_not_signed_before_they_are_durable(store: SqlStore) -> None:
    def work(tx: SqlTx) -> bytes | None:
        tx.append("decision", {"n": 1})
        return store._signer.sign(tx)

    assert opened(store, transact(store, work)).size == 1
    assert opened(store, wait(store.sign())).size == 2


def test_one_replica_signs_at_a_time_and_the_next_with_a_higher_fence(backend: Backend) -> None:
    one, two = backend.open(), backend.open()
    fill(one, 1)
    assert wait(one.sign())
    fill(two, 1)
    assert wait(two.sign()) is None
    assert opened(one, wait(one.sign())).size == 3
    backend.raw("UPDATE ledger_signer SET expires_at = 1")
    fill(two, 1)
    assert opened(two, wait(two.sign())).size == 4
    assert wait(one.sign()) is None
    fences = backend.raw("SELECT fence FROM ledger_checkpoints ORDER BY size")
    assert fences == [(0,), (1,), (1,), (2,)]


def test_a_closed_replica_gives_the_lease_back(backend: Backend) -> None:
    one, two = backend.open(), backend.open()
    assert wait(one.sign())
    wait(one.close())
    assert wait(two.sign())


def test_proofs_verify_here_and_with_the_independent_verifier(store: SqlStore) -> None:
    fill(store, 999)
    with pytest.raises(NotFound, match="covers 1"):
        wait(store.prove(1))
    checkpoint = opened(store, wait(store.sign()))
    for index in (0, 1, 255, 256, 700, 999):
        entry, made = wait(store.entry(index)), wait(store.prove(index))
        assert proof.verify_proof(proof.parse_proof(made.encode()), entry, store.verifier) == checkpoint
        assert aics_tlog.verify_leaf_inclusion(entry, index, 1000, list(made.path), checkpoint.root)
    with pytest.raises(NotFound):
        wait(store.prove(1000))
    with pytest.raises(NotFound):
        wait(store.entry(1000))


def test_consistency_of_successive_checkpoints(store: SqlStore) -> None:
    checkpoints = [opened(store, wait(store.checkpoint()))]
    for count in (1, 5, 248, 1, 300):
        fill(store, count)
        checkpoints.append(opened(store, wait(store.sign())))
    for old in checkpoints:
        new = checkpoints[-1]
        path = wait(store.consistency(old.size, new.size))
        assert merkle.verify_consistency(old.size, new.size, path, old.root, new.root)
        assert aics_tlog.verify_consistency(old.size, new.size, old.root, new.root, list(path))
    with pytest.raises(NotFound):
        wait(store.consistency(1, 10_000))


def test_an_export_verifies_with_the_key_alone_and_independently(store: SqlStore, tmp_path: Path) -> None:
    fill(store, 600)
    held = transact(store, lambda tx: tx.new_change(draft()).id)

    def attach(tx: SqlTx) -> None:
        digest = tx.put_payload(held, "content", b"DELETE FROM orders")
        tx.append("change.held", {"change": held, "payloads": {"content": digest}})

    transact(store, attach)
    folder = tmp_path / "export"
    checkpoint = wait(store.export(folder))
    assert checkpoint.size == 602
    report = verify_export(FolderExport(folder), store.verifier)
    assert report.findings == ()
    aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(folder), checkpoint.size, checkpoint.root)
    theirs = aics_tlog.parse_note((folder / "checkpoint").read_bytes())
    assert aics_tlog.verify_checkpoint(theirs, aics_tlog.parse_vkey(str(store.verifier))).log_ok
    assert b"DELETE FROM" not in b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        kept = path.read_bytes()
        path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        assert not verify_export(FolderExport(folder), store.verifier).ok, path
        path.write_bytes(kept)


def test_an_export_overwrites_nothing(store: SqlStore, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").write_text("mine")
    for folder in (taken, taken / "file"):
        with pytest.raises(Rejected, match="exists already"):
            wait(store.export(folder))
    assert [p.name for p in tmp_path.rglob("*") if p.name != "store.db" and "store.db" not in p.name] == [
        "taken",
        "file",
    ]
    with pytest.raises(Rejected, match="not a folder"):
        list(FolderExport(tmp_path / "nowhere").paths())


def test_an_export_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "checkpoint").symlink_to(tmp_path / "secret")
    with pytest.raises(Unavailable):
        FolderExport(folder).read("checkpoint")


@pytest.mark.parametrize("index", [0, 1, 77, 255, 256, 299])
def test_an_altered_row_is_named(backend: Backend, index: int) -> None:
    store = backend.open()
    fill(store, 299)
    wait(store.sign())
    other = bytes(wait(store.entry(index))).replace(b'"n"', b'"m"').replace(b"log.started", b"log.stopped")
    literal = f"X'{other.hex()}'" if backend.is_sqlite else f"'\\x{other.hex()}'"
    backend.tamper(f"UPDATE ledger_entries SET data = {literal} WHERE number = {index}")
    assert first(wait(store.verify())) == (Problem.ALTERED, index)


@pytest.mark.parametrize("index", [0, 123, 255, 299])
def test_a_deleted_row_is_named(backend: Backend, tmp_path: Path, index: int) -> None:
    store = backend.open()
    fill(store, 299)
    wait(store.sign())
    backend.tamper(f"DELETE FROM ledger_entries WHERE number = {index}")
    assert first(wait(store.verify())) == (Problem.MISSING, index)
    with pytest.raises(Unavailable, match="lacks rows"):
        wait(store.export(tmp_path / "export"))
    assert not (tmp_path / "export").exists()


def test_altered_rows_behind_the_newest_checkpoint_are_noticed(backend: Backend) -> None:
    store = backend.open()
    fill(store, 5)
    literal = "X'00'" if backend.is_sqlite else "'\\x00'"
    assert wait(store.verify()).ok
    backend.tamper(f"UPDATE ledger_entries SET data = {literal} WHERE number = 3")
    assert first(wait(store.verify())) == (Problem.UNKNOWN, 1)


CUT = (
    "DELETE FROM ledger_entries WHERE number >= 1",
    "UPDATE ledger_head SET size = 1, edge = (SELECT leaf FROM ledger_entries WHERE number = 0)",
)


def test_a_cut_log_is_neither_verified_nor_signed_nor_opened(backend: Backend) -> None:
    store = backend.open()
    fill(store, 5)
    wait(store.sign())
    backend.tamper(*CUT)
    assert (Problem.TRUNCATED, 1) in {(f.problem, f.index) for f in wait(store.verify()).findings}
    with pytest.raises(SigningRefused, match="cut off"):
        wait(store.sign())
    with pytest.raises(Misconfigured, match="signed before"):
        backend.open()


def test_a_log_cut_together_with_its_checkpoints_is_remembered(backend: Backend, tmp_path: Path) -> None:
    memory = tmp_path / "last-checkpoint"
    store = backend.open(remember=memory)
    fill(store, 5)
    pushed = wait(store.sign())
    assert memory.read_bytes() == pushed
    backend.tamper(*CUT, "DELETE FROM ledger_checkpoints WHERE size > 1")
    assert wait(store.verify()).ok, "by itself the shorter log is whole"
    assert first(wait(store.verify(pushed=[pushed]))) == (Problem.TRUNCATED, 1)
    fill(store, 9)
    with pytest.raises(SigningRefused, match="not the ones"):
        wait(store.sign())
    with pytest.raises(Misconfigured, match="signed before"):
        backend.open(remember=memory)
    assert backend.open()


def test_a_forged_checkpoint_in_the_rows_is_not_believed(backend: Backend) -> None:
    store = backend.open()
    backend.tamper(
        "UPDATE ledger_checkpoints SET note = edge FROM ledger_head WHERE ledger_checkpoints.size = 1"
    )
    assert first(wait(store.verify())) == (Problem.CHECKPOINT, None)
    with pytest.raises(SigningRefused, match="not this log's"):
        wait(store.sign())


def test_the_database_itself_refuses_rewriting(backend: Backend) -> None:
    store = backend.open()
    fill(store, 300)
    for table in ("ledger_entries", "ledger_nodes", "ledger_checkpoints"):
        for statement in (
            f"DELETE FROM {table}",
            f"UPDATE {table} SET {'size = 9' if 'check' in table else 'number = 9'}",
        ):
            with pytest.raises(Exception, match="append-only"):
                backend.raw(statement)
    assert wait(store.verify()).ok


def test_a_damaged_head_stops_writing(backend: Backend) -> None:
    store = backend.open()
    backend.raw("UPDATE ledger_head SET size = 3")
    with pytest.raises(Unavailable, match="head is damaged"):
        fill(store, 1)


# -- payloads


def with_payload(store: SqlStore, data: bytes = b"secret text", **values: Any) -> str:
    def work(tx: SqlTx) -> str:
        change_id = tx.new_change(draft(**values)).id
        digest = tx.put_payload(change_id, "content", data)
        tx.append("change.held", {"change": change_id, "payloads": {"content": digest}})
        return change_id

    return transact(store, work)


def payload(store: SqlStore, change_id: str, name: str = "content") -> bytes:
    return read(store, lambda tx: tx.payload(change_id, name))


def test_payloads_are_read_back_and_replaced(store: SqlStore) -> None:
    big = bytes(range(256)) * 4096
    change_id = with_payload(store)
    digest = transact(store, lambda tx: tx.put_payload(change_id, "undo/1", big))
    assert len(digest) == 64
    assert read(store, lambda tx: tx.payload(change_id, "undo/1")) == big
    transact(store, lambda tx: tx.put_payload(change_id, "undo/1", b""))
    assert read(store, lambda tx: tx.payload(change_id, "undo/1")) == b""
    assert read(store, lambda tx: tx.payload(change_id, "content")) == b"secret text"
    for missing in ((change_id, "absent"), ("CHG-00000000", "content")):
        with pytest.raises(NotFound):
            payload(store, *missing)


def test_parts_are_listed_by_prefix(store: SqlStore) -> None:
    change_id = with_payload(store)
    names = ["undo/10", "undo/2", "UNDO/1", "undo%", "undo_x", "other"]
    transact(store, lambda tx: [tx.put_payload(change_id, name, b"x") for name in names])
    assert read(store, lambda tx: tx.payload_parts(change_id, "undo/")) == ["undo/10", "undo/2"]
    assert read(store, lambda tx: tx.payload_parts(change_id, "undo%")) == ["undo%"]
    assert read(store, lambda tx: tx.payload_parts(change_id, "")) == sorted([*names, "content"])
    assert read(store, lambda tx: tx.payload_parts("CHG-00000000", "")) == []


def test_no_payload_is_stored_in_the_clear(backend: Backend) -> None:
    with_payload(backend.open(), b"find me if you can")
    ((stored,),) = backend.raw("SELECT sealed FROM payloads")
    assert b"find me" not in bytes(stored)
    if backend.is_sqlite:
        files = Path(backend.url.removeprefix("sqlite:///")).parent.glob("store.db*")
        assert all(b"find me" not in file.read_bytes() for file in files)


@pytest.mark.parametrize("table", ["payloads", "payload_keys"])
def test_an_altered_or_exchanged_payload_is_not_opened(backend: Backend, table: str) -> None:
    store = backend.open()
    one, two = with_payload(store, b"one"), with_payload(store, b"two")
    backend.raw(
        f"UPDATE {table} SET sealed = (SELECT b.sealed FROM {table} AS b WHERE b.change_id = '{two}')"
        f" WHERE change_id = '{one}'"
    )
    with pytest.raises(Unavailable, match="cannot be opened"):
        read(store, lambda tx: tx.payload(one, "content"))
    assert read(store, lambda tx: tx.payload(two, "content")) == b"two"


def test_an_altered_payload_is_found_by_verification(backend: Backend) -> None:
    store = backend.open()
    with_payload(store)
    wait(store.sign())
    assert wait(store.verify()).ok
    literal = "X'00'" if backend.is_sqlite else "'\\x00'"
    backend.raw(f"UPDATE payloads SET sealed = {literal}")
    assert first(wait(store.verify())) == (Problem.PAYLOAD, 1)


def test_retention_destroys_what_ended_and_records_it(backend: Backend) -> None:
    store = backend.open()
    ended = [with_payload(store, state=s) for s in (ChangeState.APPLIED, ChangeState.DENIED)]
    going_on = [with_payload(store, state=s) for s in (ChangeState.HELD, ChangeState.IN_DOUBT)]
    now = read(store, lambda tx: tx.now())
    assert wait(store.destroy_payloads_before(now - HOUR)) == []
    assert wait(store.destroy_payloads_before(now + HOUR)) == ended
    assert wait(store.destroy_payloads_before(now + HOUR)) == []
    for change_id in ended:
        with pytest.raises(NotFound):
            payload(store, change_id)
    assert len(read(store, lambda tx: tx.changes(ChangeFilter()))) == 4, "the records stay"
    for change_id in going_on:
        assert payload(store, change_id)
    wait(store.sign())
    assert wait(store.verify()).ok, "destroyed payloads are accounted for"


def test_a_destroyed_key_is_nowhere_in_the_files(sqlite_backend: Backend) -> None:
    store = sqlite_backend.open()
    with_payload(store, state=ChangeState.APPLIED)
    ((key,),) = sqlite_backend.raw("SELECT sealed FROM payload_keys")
    files = list(Path(sqlite_backend.url.removeprefix("sqlite:///")).parent.glob("store.db*"))
    assert any(key in file.read_bytes() for file in files)
    wait(store.destroy_payloads_before(read(store, lambda tx: tx.now()) + HOUR))
    assert not any(key in file.read_bytes() for file in files)
