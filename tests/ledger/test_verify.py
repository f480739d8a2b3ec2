"""Offline verification: whole exports pass, and each kind of damage is named at the first entry it touches."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ledger.ledger_exports import KEY, ORIGIN, START, MemoryExport, MemoryLog, memory_log, sample_entry

from interlock.ledger import entry, note, tiles
from interlock.ledger.note import Checkpoint, SignerKey
from interlock.ledger.verify import Problem, Report, verify_export

SIZES = [0, 1, 2, 255, 256, 257, 600]
BIG = memory_log(70_000)


def verify(export: MemoryExport, *pushed: bytes) -> Report:
    return verify_export(export, KEY.verifier, pushed)


def first(report: Report) -> tuple[Problem, int | None]:
    assert not report.ok
    assert report.first is not None
    return report.first.problem, report.first.index


@pytest.mark.parametrize("size", SIZES)
def test_a_whole_export_passes(size: int) -> None:
    report = verify(memory_log(size).export())
    assert report.findings == ()
    assert report.ok
    assert report.checkpoint == memory_log(size).checkpoint()


def test_a_big_export_passes_and_one_entry_deep_inside_is_named() -> None:
    export = BIG.export()
    assert verify(export).ok
    export.rebundle([*BIG.entries[:33_333], sample_entry(0), *BIG.entries[33_334:]])
    assert first(verify(export)) == (Problem.ALTERED, 33_333)
    assert len(verify(export).findings) == 1


@settings(deadline=None)
@given(st.sampled_from([1, 2, 5, 255, 256, 257, 512, 600]), st.data())
def test_an_altered_entry_is_named(size: int, data: st.DataObject) -> None:
    log = memory_log(size)
    index = data.draw(st.integers(0, size - 1))
    export = log.export()
    export.rebundle([*log.entries[:index], sample_entry(999_999), *log.entries[index + 1 :]])
    report = verify(export)
    assert first(report) == (Problem.ALTERED, index)
    assert [f.index for f in report.findings] == [index]


@settings(deadline=None)
@given(st.sampled_from([2, 5, 255, 256, 257, 600]), st.data())
def test_a_missing_entry_is_named(size: int, data: st.DataObject) -> None:
    log = memory_log(size)
    index = data.draw(st.integers(0, size - 1))
    export = log.export()
    export.rebundle([*log.entries[:index], *log.entries[index + 1 :]])
    assert verify(export).first is not None
    problem, where = first(verify(export))
    # At the very end of a bundle a shifted neighbour looks like another entry.
    assert problem in (Problem.MISSING, Problem.ALTERED)
    assert where == index


@settings(deadline=None)
@given(st.sampled_from([0, 2, 5, 255, 256, 257, 600]), st.data())
def test_an_extra_entry_is_named(size: int, data: st.DataObject) -> None:
    log = memory_log(size)
    index = data.draw(st.integers(0, size))
    export = log.export()
    export.rebundle([*log.entries[:index], sample_entry(999_999), *log.entries[index:]])
    problem, where = first(verify(export))
    assert problem in (Problem.EXTRA, Problem.ALTERED)
    assert where == index


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([1, 5, 257, 600]), st.data())
def test_no_altered_byte_of_any_file_passes(size: int, data: st.DataObject) -> None:
    export = memory_log(size).export()
    path = data.draw(st.sampled_from(sorted(export.files)))
    content = bytearray(export.files[path] or b"x")
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    export.files[path] = bytes(content)
    assert not verify(export).ok


def test_an_empty_line_among_the_payloads_is_no_line_of_ours() -> None:
    export = memory_log(1).export()
    export.files["payloads"] = b"\n"
    assert first(verify(export))[0] is Problem.PAYLOAD


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([1, 5, 257, 600]), st.data())
def test_no_cut_or_absent_file_passes(size: int, data: st.DataObject) -> None:
    export = memory_log(size).export()
    path = data.draw(st.sampled_from(sorted(export.files.keys() - {"payloads"})))
    if data.draw(st.booleans()):
        del export.files[path]
    else:
        export.files[path] = export.files[path][: data.draw(st.integers(0, len(export.files[path]) - 1))]
    assert not verify(export).ok


def test_a_cut_bundle_names_the_first_entry_that_is_gone() -> None:
    export = memory_log(300).export()
    path = "tile/entries/000"
    kept = len(tiles.join_bundle(memory_log(17).entries))
    export.files[path] = export.files[path][: kept + 5]
    assert first(verify(export)) == (Problem.MISSING, 17)


def test_entries_and_tiles_altered_together_are_found() -> None:
    log = memory_log(600)
    export = log.export()
    export.retile([*log.entries[:300], sample_entry(999_999), *log.entries[301:]])
    problem, index = first(verify(export))
    assert problem is Problem.UNKNOWN
    assert index == 0, "nothing in the export leads to the signed root any more"


def test_a_full_tile_altered_together_with_its_entries_is_narrowed_down() -> None:
    log = memory_log(600)
    export, other = log.export(), log.export()
    other.retile([*log.entries[:300], sample_entry(999_999), *log.entries[301:]])
    for path in ("tile/0/001", "tile/entries/001"):
        export.files[path] = other.files[path]
    assert first(verify(export)) == (Problem.UNKNOWN, 256)


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"])
def test_an_altered_tile_is_not_blamed_on_entries(path: str) -> None:
    export = memory_log(600).export()
    export.files[path] = bytes(len(export.files[path]))
    (finding,) = verify(export).findings
    assert finding.problem is Problem.TILE
    assert path in finding.message


def test_an_altered_tile_and_an_altered_entry_elsewhere_are_both_named() -> None:
    log = memory_log(600)
    export = log.export()
    export.rebundle([*log.entries[:5], sample_entry(999_999), *log.entries[6:]])
    export.files["tile/0/001"] = bytes(8192)
    found = {(f.problem, f.index) for f in verify(export).findings}
    assert found == {(Problem.ALTERED, 5), (Problem.TILE, None)}


def test_a_cut_tail_shows_against_a_pushed_checkpoint() -> None:
    pushed = memory_log(600).export().files["checkpoint"]
    cut = memory_log(590).export()
    assert verify(cut).ok, "by itself the shorter log is whole"
    assert first(verify(cut, pushed)) == (Problem.TRUNCATED, 590)


def test_a_rewritten_past_shows_against_a_pushed_checkpoint() -> None:
    pushed = memory_log(5).export().files["checkpoint"]
    other = MemoryLog()
    other.append([sample_entry(i) for i in (0, 1, 99, 3, 4, 5, 6)])
    assert verify(memory_log(600).export(), pushed).ok
    assert [f.problem for f in verify(other.export(), pushed).findings] == [Problem.FORKED]
    same_size = memory_log(7).export().files["checkpoint"]
    assert [f.problem for f in verify(other.export(), same_size).findings] == [Problem.FORKED]


def test_many_pushed_checkpoints_make_one_finding_of_each_kind() -> None:
    pushed = [memory_log(size).export().files["checkpoint"] for size in (5, 7, 9)]
    other = MemoryLog()
    other.append([sample_entry(1), *(sample_entry(i) for i in range(1, 7))])
    found = verify(other.export(), *pushed).findings
    assert [f.problem for f in found] == [Problem.TRUNCATED, Problem.FORKED]
    assert "7 entries here, but 9" in found[0].message
    assert "the first 5 entries" in found[1].message


def test_a_pushed_checkpoint_of_another_key_is_not_believed() -> None:
    stranger = SignerKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    forged = note.sign_checkpoint(Checkpoint(ORIGIN, 9, bytes(32)), stranger)
    assert first(verify(memory_log(5).export(), forged)) == (Problem.CHECKPOINT, None)


@pytest.mark.parametrize("data", [None, b"", b"garbage"])
def test_without_a_checkpoint_nothing_is_believed(data: bytes | None) -> None:
    export = memory_log(5).export()
    export.files = {k: v for k, v in export.files.items() if k != "checkpoint"} | (
        {"checkpoint": data} if data else {}
    )
    report = verify(export)
    assert first(report) == (Problem.CHECKPOINT, None)
    assert report.checkpoint is None


def test_entries_behind_the_signature_are_extra() -> None:
    export = memory_log(600).export()
    export.files["tile/entries/002.p/90"] = memory_log(602).export().files["tile/entries/002.p/90"]
    assert first(verify(export)) == (Problem.EXTRA, 600)


def test_strange_files_are_named() -> None:
    export = memory_log(5).export()
    export.files |= {"notes.txt": b"", "tile/0/000.p/3": bytes(96)}
    assert [f.problem for f in verify(export).findings] == [Problem.FILE, Problem.FILE]


def test_a_signed_entry_that_is_no_entry_is_named() -> None:
    log = memory_log(3)
    log.append([b'{"free": "text"}', sample_entry(4)])
    assert first(verify(log.export())) == (Problem.MALFORMED, 3)


def test_checks_of_the_caller_see_every_entry_in_order() -> None:
    seen: list[int] = []

    def check(index: int, value: dict[str, object]) -> str | None:
        seen.append(index)
        return "bad signature" if index == 2 else None

    report = verify_export(memory_log(300).export(), KEY.verifier, entry_checks=[check])
    assert seen == list(range(300))
    assert [(f.problem, f.index, f.message) for f in report.findings] == [
        (Problem.CHECK, 2, "entry 2: bad signature")
    ]


def payload_log(*destroyed: str) -> MemoryLog:
    log = MemoryLog()
    bodies = [
        {"change": "CHG-1", "payloads": {"content": "aa"}},
        {"change": "CHG-1", "payloads": {"undo/0": "bb"}},
        {"change": "CHG-2", "payloads": {"content": "cc"}},
        {"change": "CHG-1", "payloads": {"undo/0": "dd"}},
    ]
    log.append([entry.encode(entry.Entry("change.held", START, body)) for body in bodies])
    log.append([entry.encode(entry.Entry("payload.destroyed", START, {"change": c})) for c in destroyed])
    return log


def listing(*rows: tuple[str, str, str]) -> bytes:
    return b"".join(
        entry.canonical({"change": c, "name": n, "sha256": s, "size": 1}) + b"\n" for c, n, s in rows
    )


HELD = (("CHG-1", "content", "aa"), ("CHG-1", "undo/0", "dd"), ("CHG-2", "content", "cc"))


def test_payloads_are_compared_with_what_entries_call_for() -> None:
    assert verify(payload_log().export(payloads=listing(*HELD))).ok
    assert verify(payload_log("CHG-1").export(payloads=listing(HELD[2]))).ok
    report = verify(payload_log().export(payloads=listing(HELD[0], ("CHG-1", "undo/0", "bb"))))
    assert [(f.problem, f.index) for f in report.findings] == [(Problem.PAYLOAD, 3), (Problem.PAYLOAD, 2)]


@pytest.mark.parametrize("data", [b"x\n", b"[]\n", b'{"change":"a"}\n', b"1\n"])
def test_a_malformed_list_of_payloads_is_a_finding(data: bytes) -> None:
    assert first(verify(payload_log().export(payloads=data))) == (Problem.PAYLOAD, None)
