"""The ledger's verification for browsers, run by node (and by Chromium) against logs of our own making, whole and tampered."""

import base64
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.console.conftest import Api
from tests.ledger.ledger_exports import KEY, ORIGIN, MemoryExport, MemoryLog, memory_log, sample_entry

from interlock.ledger import merkle, note, tiles
from interlock.ledger.note import Checkpoint, SignerKey
from interlock.ledger.tiles import Tile

MODULE = Path(__file__).parents[2] / "src/interlock/console/static/ledger.js"
RUNNER = Path(__file__).with_name("ledger_runner.mjs")
VKEY = str(KEY.verifier)
SIZES = [0, 1, 2, 255, 256, 257, 600]
OTHER = SignerKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"o" * 32))


class Node:
    """A process of node that runs the module."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [program, str(RUNNER), str(MODULE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, op: str, **more: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **more}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert answer.get("problem") != "bug", answer
        return answer

    def done(self, op: str, **more: Any) -> Any:
        answer = self.ask(op, **more)
        assert "done" in answer, answer
        return answer["done"]

    def close(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    program = shutil.which("node")
    if program is None:
        pytest.skip("there is no node here")
    made = Node(program)
    yield made
    made.close()


class Site:
    """A web server of a log's files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.removeprefix("/")
                site.asked.append(path)
                data = site.files.get(path.removeprefix("ledger/"))
                self.send_response(200 if data is not None else 404)
                kind = {".js": "text/javascript", ".html": "text/html"}.get(Path(path).suffix)
                self.send_header("content-type", kind or "application/octet-stream")
                self.send_header("content-security-policy", "default-src 'self'")
                self.send_header("content-length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.base = f"{self.origin}/ledger"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


def verify(node: Node, site: Site, op: str = "verify", **more: Any) -> dict[str, Any]:
    return node.ask(op, base=site.base, key=VKEY, **more)


# -- whole logs


@pytest.mark.parametrize("size", SIZES)
def test_a_whole_log_verifies(node: Node, site: Site, size: int) -> None:
    log = memory_log(size)
    site.files = log.export().files
    answer = verify(node, site, progress=[], stored={})
    report = answer["done"]
    assert (report["origin"], report["size"]) == (ORIGIN, size)
    assert report["root"] == log.frontier.root().hex()
    assert report["tiles"] == len(list(tiles.hash_tiles(size)))
    assert (report["earlier"], report["kept"]) == (None, True)
    whole = report["tiles"] + len(list(tiles.entry_bundles(size)))
    assert answer["progress"] == [[n, whole] for n in range(whole + 1)]
    # Everything was read, and once.
    expected = [t.path for t in (*tiles.entry_bundles(size), *tiles.hash_tiles(size))]
    assert sorted(site.asked) == sorted(f"ledger/{path}" for path in ["checkpoint", *expected])


def test_a_log_of_70000_entries_verifies(node: Node, site: Site) -> None:
    log = memory_log(70_000)
    site.files = log.export().files
    report = verify(node, site)["done"]
    assert (report["size"], report["root"]) == (70_000, log.frontier.root().hex())
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        site.asked.clear()
        entry = verify(node, site, "entry", index=index)["done"]
        assert bytes.fromhex(entry["entry"]) == log.entries[index]
        assert json.loads(entry["text"])["body"]["n"] == index
        assert len(site.asked) < 12
    # One bit of one entry in the middle, and of a tile above.
    path = Tile(None, 137).path
    site.files[path] = flipped(site.files[path], 4_000)
    assert verify(node, site)["problem"] in ("root", "truncated")
    site.files = log.export().files
    site.files[Tile(1, 1, 17).path] = flipped(site.files[Tile(1, 1, 17).path], 40)
    assert verify(node, site)["problem"] == "tile"


def test_entries_of_all_lengths(node: Node, site: Site) -> None:
    log = MemoryLog()
    log.append([b"", b"x", b"y" * 255, b"z" * 256, b"\x00\xff" * 30_000, b"w" * 65_535])
    site.files = log.export().files
    assert verify(node, site)["done"]["root"] == log.frontier.root().hex()


# -- tampered


def flipped(data: bytes, place: int, bit: int = 0) -> bytes:
    place %= len(data)
    return data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


def checkpoint_of(log: MemoryLog, key: SignerKey = KEY, **other: Any) -> bytes:
    now = log.checkpoint()
    values = {"origin": now.origin, "size": now.size, "root": now.root, **other}
    return note.sign_checkpoint(Checkpoint(**values), key)


Tamper = Callable[[MemoryLog, dict[str, bytes]], None]
TAMPERED: dict[str, tuple[Tamper, set[str]]] = {}


def tamper(*problems: str) -> Callable[[Tamper], Tamper]:
    def add(how: Tamper) -> Tamper:
        TAMPERED[how.__name__] = (how, set(problems))
        return how

    return add


LAST = Tile(None, 2, 88).path
"""The partial bundle of a log of 600."""


@tamper("root")
def a_bit_of_an_entry(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[Tile(None, 1).path] = flipped(files[Tile(None, 1).path], 50)


@tamper("root")
def a_bit_of_the_last_entry(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[LAST] = flipped(files[LAST], -1)


@tamper("truncated", "root")
def a_bit_of_a_length(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[LAST] = flipped(files[LAST], 1)


@tamper("root")
def two_entries_swapped(log: MemoryLog, files: dict[str, bytes]) -> None:
    entries = list(tiles.split_bundle(files[LAST]))
    entries[0], entries[1] = entries[1], entries[0]
    files[LAST] = tiles.join_bundle(entries)


@tamper("truncated")
def an_entry_left_out(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[LAST] = tiles.join_bundle(tiles.split_bundle(files[LAST])[1:])


@tamper("truncated")
def an_entry_too_many(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[LAST] = files[LAST] + tiles.join_bundle([sample_entry(600)])


@tamper("truncated")
def a_bundle_cut_short(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[LAST] = files[LAST][:-1]


@tamper("truncated")
def a_bundle_with_half_a_length(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[LAST] = files[LAST] + b"\x00"


@tamper("truncated")
def a_bundle_gone(log: MemoryLog, files: dict[str, bytes]) -> None:
    del files[Tile(None, 0).path]


@tamper("truncated")
def an_empty_bundle(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[LAST] = b""


@tamper("tile")
def a_bit_of_a_tile(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[Tile(0, 1).path] = flipped(files[Tile(0, 1).path], 300)


@tamper("tile")
def a_bit_of_the_partial_tile(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[Tile(0, 2, 88).path] = flipped(files[Tile(0, 2, 88).path], -1)


@tamper("tile")
def a_bit_of_the_upper_tile(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[Tile(1, 0, 2).path] = flipped(files[Tile(1, 0, 2).path], 0, 7)


@tamper("tile")
def a_tile_cut_short(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[Tile(0, 0).path] = files[Tile(0, 0).path][:-32]


@tamper("tile")
def a_tile_too_long(log: MemoryLog, files: dict[str, bytes]) -> None:
    files[Tile(0, 0).path] += bytes(32)


@tamper("truncated")
def a_tile_gone(log: MemoryLog, files: dict[str, bytes]) -> None:
    del files[Tile(0, 2, 88).path]


@tamper("root")
def another_history(log: MemoryLog, files: dict[str, bytes]) -> None:
    """Entries and tiles agree with each other, and not with what was signed."""
    export = MemoryExport(dict(files))
    export.retile([sample_entry(i, other=1) for i in range(600)])
    files.clear()
    files.update(export.files)


@tamper("root")
def a_root_that_is_signed_and_wrong(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = checkpoint_of(log, root=bytes(32))


@tamper("truncated")
def a_size_that_is_signed_and_too_large(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = checkpoint_of(log, size=601)


@tamper("too_large")
def a_size_beyond_all_memory(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = checkpoint_of(log, size=2**40)


@tamper("malformed")
def a_size_beyond_all_numbers(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = checkpoint_of(log, size=2**60)


@tamper("signature")
def signed_by_another_key(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = checkpoint_of(log, OTHER)


@tamper("key")
def the_checkpoint_of_another_log(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = checkpoint_of(log, origin="interlock.example/other")


@tamper("truncated")
def no_checkpoint(log: MemoryLog, files: dict[str, bytes]) -> None:
    del files["checkpoint"]


@tamper("malformed")
def an_empty_checkpoint(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = b""


@tamper("malformed")
def a_checkpoint_cut_short(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = files["checkpoint"][:-1]


@tamper("malformed")
def a_checkpoint_with_a_control_character(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = files["checkpoint"].replace(b"\n", b"\r\n", 1)


@tamper("malformed")
def a_checkpoint_that_is_not_utf8(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = b"\xff" + files["checkpoint"]


@tamper("signature")
def an_altered_size(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = files["checkpoint"].replace(b"\n600\n", b"\n601\n")


@tamper("signature")
def a_line_more(log: MemoryLog, files: dict[str, bytes]) -> None:
    files["checkpoint"] = files["checkpoint"].replace(b"\n\n", b"\nextension\n\n")


@tamper("signature")
def a_good_and_a_bad_signature_of_the_same_key(log: MemoryLog, files: dict[str, bytes]) -> None:
    good = note.parse_note(files["checkpoint"]).signatures[0]
    bad = note.Signature(good.name, good.key_id, flipped(good.value, 3))
    files["checkpoint"] += str(bad).encode()


@pytest.mark.parametrize("how", list(TAMPERED))
def test_what_was_tampered_with_is_found(node: Node, site: Site, how: str) -> None:
    log = memory_log(600)
    site.files = log.export().files
    work, problems = TAMPERED[how]
    work(log, site.files)
    stored: dict[str, str] = {}
    answer = verify(node, site, stored=stored)
    assert "done" not in answer
    assert answer["problem"] in problems, answer
    assert answer["name"] == "LedgerError"
    assert answer["message"]
    assert answer["stored"] == {}, "what does not hold is not kept"


def test_every_bit_of_a_checkpoint_counts(node: Node, site: Site) -> None:
    log = memory_log(3)
    files = log.export().files
    whole = files["checkpoint"]
    for place in range(len(whole)):
        site.files = {**files, "checkpoint": flipped(whole, place, place % 7)}
        answer = verify(node, site)
        assert answer.get("problem") in ("malformed", "signature", "key"), (place, answer)


@pytest.mark.parametrize("place", range(0, 1_000, 83))
def test_every_bit_of_the_entries_counts(node: Node, site: Site, place: int) -> None:
    site.files = memory_log(5).export().files
    path = Tile(None, 0, 5).path
    site.files[path] = flipped(site.files[path], place, place % 8)
    assert verify(node, site)["problem"] in ("root", "truncated")


def test_cosignatures_of_others_are_no_hindrance(node: Node, site: Site) -> None:
    log = memory_log(3)
    site.files = log.export().files
    witness = SignerKey("witness.example", Ed25519PrivateKey.from_private_bytes(b"w" * 32))
    text = note.parse_note(site.files["checkpoint"]).text
    site.files["checkpoint"] += str(note.sign(text, witness).signatures[0]).encode()
    assert verify(node, site)["done"]["size"] == 3


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        VKEY[:-2],
        VKEY.replace("+", "-"),
        VKEY.replace(ORIGIN, "interlock.example/lag"),
        VKEY.upper(),
        f"{ORIGIN}+00000000+{VKEY.rpartition('+')[2]}",
        f"{ORIGIN}+{'0' * 8}+{base64.b64encode(bytes([2]) + bytes(32)).decode()}",
    ],
)
def test_other_verifier_keys_are_refused(node: Node, site: Site, key: str) -> None:
    site.files = memory_log(1).export().files
    assert node.ask("verify", base=site.base, key=key)["problem"] == "malformed"


# -- a browser that cannot


@pytest.mark.parametrize("crypto", ["no Ed25519", "no subtle", "none"])
@pytest.mark.parametrize("op", ["verify", "entry", "growth"])
def test_a_browser_that_cannot_verify_says_so(node: Node, site: Site, crypto: str, op: str) -> None:
    """It claims neither that the log is right nor that it is wrong, and keeps nothing."""
    site.files = memory_log(3).export().files
    answer = verify(node, site, op, index=1, crypto=crypto, stored={})
    assert (answer["problem"], answer["name"]) == ("unsupported", "Unsupported")
    assert "this browser" in answer["message"]
    assert answer["stored"] == {}


# -- one entry


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
def test_an_entry_is_shown_to_be_in_the_log(node: Node, site: Site, size: int) -> None:
    log = memory_log(size)
    site.files = log.export().files
    for index in {0, size // 2, size - 1}:
        found = verify(node, site, "entry", index=index)["done"]
        assert bytes.fromhex(found["entry"]) == log.entries[index]
        proof = merkle.inclusion_proof(index, size, tiles.node_reader(log.read_hashes))
        assert found["path"] == [each.hex() for each in proof]


@pytest.mark.parametrize("index", [-1, 3, 1.5, "x", None])
def test_an_entry_that_is_not_there(node: Node, site: Site, index: object) -> None:
    site.files = memory_log(3).export().files
    assert verify(node, site, "entry", index=index)["problem"] == "absent"


@pytest.mark.parametrize("path", [LAST, Tile(0, 2, 88).path, Tile(0, 1).path, Tile(1, 0, 2).path])
def test_an_entry_that_was_altered_is_not_shown(node: Node, site: Site, path: str) -> None:
    log = memory_log(600)
    site.files = log.export().files
    at = 599 if path != Tile(0, 1).path else 300
    data = site.files[path]
    # The entry itself, or a hash that its path needs.
    site.files[path] = flipped(data, -1 if path == LAST else 32 if path != Tile(0, 1).path else 32 * 45)
    assert verify(node, site, "entry", index=at)["problem"] == "inclusion"


def test_an_entry_of_another_place_is_not_shown(node: Node, site: Site) -> None:
    log = memory_log(600)
    site.files = log.export().files
    entries = list(tiles.split_bundle(site.files[LAST]))
    entries[3] = entries[4]
    site.files[LAST] = tiles.join_bundle(entries)
    assert verify(node, site, "entry", index=515)["problem"] == "inclusion"
    assert "done" in verify(node, site, "entry", index=516)


# -- what the browser remembers


@pytest.mark.parametrize("op", ["verify", "growth"])
@pytest.mark.parametrize(
    ("old", "new"), [(0, 3), (1, 2), (3, 3), (255, 256), (256, 600), (257, 600), (600, 600)]
)
def test_a_log_that_grew_is_consistent(node: Node, site: Site, op: str, old: int, new: int) -> None:
    log = memory_log(old)
    site.files = log.export().files
    stored = verify(node, site, op, stored={})["stored"]
    assert len(stored) == 1
    before = log.frontier.root().hex()
    log.append([sample_entry(i) for i in range(old, new)])
    site.files = log.export().files
    answer = verify(node, site, op, stored=stored)
    assert answer["done"]["earlier"] == {"size": old, "root": before}
    assert answer["done"]["size"] == new
    (kept,) = answer["stored"].values()
    assert json.loads(kept) == {"note": site.files["checkpoint"].decode(), "key": VKEY}


@pytest.mark.parametrize("op", ["verify", "growth"])
@pytest.mark.parametrize("old", [1, 2, 100, 256, 300])
def test_a_rewritten_log_is_noticed(node: Node, site: Site, op: str, old: int) -> None:
    """Every signature is good, and what was verified before is another: the holder of the key has lied."""
    site.files = memory_log(old).export().files
    stored = verify(node, site, op, stored={})["stored"]
    other = MemoryLog()
    other.append([sample_entry(i, other=int(i == old - 1)) for i in range(600)])
    site.files = other.export().files
    answer = verify(node, site, op, stored=dict(stored))
    assert answer["problem"] == "consistency"
    assert f"the first {old} entries" in answer["message"]
    assert answer["stored"] == stored, "what was verified stays what is compared with"


@pytest.mark.parametrize("op", ["verify", "growth"])
def test_a_log_that_lost_its_end_is_noticed(node: Node, site: Site, op: str) -> None:
    site.files = memory_log(300).export().files
    stored = verify(node, site, op, stored={})["stored"]
    site.files = memory_log(299).export().files
    assert verify(node, site, op, stored=stored)["problem"] == "shrunk"


@pytest.mark.parametrize("op", ["verify", "growth"])
def test_another_root_of_the_same_size_is_noticed(node: Node, site: Site, op: str) -> None:
    site.files = memory_log(3).export().files
    stored = verify(node, site, op, stored={})["stored"]
    other = MemoryLog()
    other.append([sample_entry(i, other=1) for i in range(3)])
    site.files = other.export().files
    assert verify(node, site, op, stored=stored)["problem"] == "consistency"


@pytest.mark.parametrize("op", ["verify", "growth"])
def test_another_key_is_noticed_until_it_is_forgotten(node: Node, site: Site, op: str) -> None:
    log = memory_log(3)
    site.files = log.export().files
    stored = verify(node, site, op, stored={})["stored"]
    site.files["checkpoint"] = checkpoint_of(log, OTHER)
    other = str(OTHER.verifier)
    answer = node.ask(op, base=site.base, key=other, stored=stored)
    assert answer["problem"] == "key"
    stored = node.ask("forget", base=site.base, stored=stored)["stored"]
    assert stored == {}
    assert node.ask(op, base=site.base, key=other, stored=stored)["done"]["earlier"] is None


@pytest.mark.parametrize("kept", ["x", "{}", '{"note": 1, "key": 2}', "null"])
def test_what_was_kept_and_cannot_be_read_is_no_first_time(node: Node, site: Site, kept: str) -> None:
    site.files = memory_log(3).export().files
    stored = verify(node, site, stored={})["stored"]
    stored = dict.fromkeys(stored, kept)
    assert verify(node, site, stored=stored)["problem"] == "malformed"


def test_a_kept_checkpoint_that_was_altered_is_noticed(node: Node, site: Site) -> None:
    site.files = memory_log(3).export().files
    stored = verify(node, site, stored={})["stored"]
    stored = {name: text.replace("\\n3\\n", "\\n2\\n") for name, text in stored.items()}
    assert verify(node, site, stored=stored)["problem"] == "signature"


def test_without_room_it_says_that_nothing_is_kept(node: Node, site: Site) -> None:
    site.files = memory_log(3).export().files
    assert verify(node, site, stored={"full": "1"})["done"]["kept"] is False
    assert verify(node, site)["done"]["kept"] is False


# -- its parts, beside ours

LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70)


@given(LEAVES, st.data())
@settings(max_examples=60)
def test_proofs_are_those_of_the_python_side(node: Node, leaves: list[bytes], data: st.DataObject) -> None:
    size, texts = len(leaves), [leaf.hex() for leaf in leaves]
    _, nodes = merkle.extend(merkle.Frontier(), leaves)
    found = {(n.level, n.index): n.hash for n in nodes}
    root = merkle.fold(leaves)
    assert node.done("root", leaves=texts) == root.hex()
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    read = lambda level, at: found[level, at]  # noqa: E731
    path = [h.hex() for h in merkle.inclusion_proof(index, size, read)]
    assert node.done("inclusion", leaves=texts, index=index) == path
    shown = {"leaf": texts[index], "index": index, "size": size, "path": path, "root": root.hex()}
    assert node.done("verifyInclusion", **shown) is True
    grown = [h.hex() for h in merkle.consistency_proof(old, size, read)]
    assert node.done("consistency", leaves=texts, old=old) == grown
    before = (merkle.fold(leaves[:old]) if old else merkle.EMPTY_ROOT).hex()
    ends = {"old": old, "size": size, "path": grown, "oldRoot": before, "root": root.hex()}
    assert node.done("verifyConsistency", **ends) is True


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.lists(st.binary(min_size=32, max_size=32), max_size=7),
    st.binary(min_size=32, max_size=32),
)
@settings(max_examples=80)
def test_both_sides_refuse_alike(node: Node, low: int, size: int, path: list[bytes], leaf: bytes) -> None:
    texts = [each.hex() for each in path]
    ours = merkle.verify_inclusion(leaf, low, size, path, leaf)
    shown = {"leaf": leaf.hex(), "index": low, "size": size, "path": texts, "root": leaf.hex()}
    assert node.done("verifyInclusion", **shown) is ours
    ours = merkle.verify_consistency(low, size, path, leaf, leaf)
    ends = {"old": low, "size": size, "path": texts, "oldRoot": leaf.hex(), "root": leaf.hex()}
    assert node.done("verifyConsistency", **ends) is ours


@given(st.one_of(st.none(), st.integers(0, 6)), st.integers(0, 10**9), st.integers(1, 256))
@settings(max_examples=60)
def test_paths_of_tiles(node: Node, level: int | None, index: int, width: int) -> None:
    asked = {"level": "entries" if level is None else level, "index": index, "width": width}
    assert node.done("path", **asked) == Tile(level, index, width).path


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_536, 70_000, 16_777_217])
def test_the_tiles_of_a_log(node: Node, size: int) -> None:
    if size < 100_000:
        ours = [{"index": t.index, "width": t.width} for t in tiles.entry_bundles(size)]
        assert node.done("tiles", size=size, level="entries") == ours
    for level in (1, 2, 3):
        upper = size >> 8 * level
        expected = [{"index": i, "width": min(256, upper - i * 256)} for i in range(-(-upper // 256))]
        assert node.done("tiles", size=size, level=level) == expected


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "", "o\n1\n", f"o\n01\n{ROOT}\n", f"o\n-1\n{ROOT}\n", f"o\n1\n{ROOT}", f"\n1\n{ROOT}\n", f"o\n1\n{ROOT}\n\nx\n",
        f"o\n1\n{ROOT[:-1]}\n", f"o\n1\n{ROOT[4:]}\n", f"o\n1e3\n{ROOT}\n", f"o\n٣\n{ROOT}\n", f"o\n{'9' * 20}\n{ROOT}\n",
        "o\n1\n\n",
    ],
)  # fmt: skip
def test_other_checkpoints_are_malformed(node: Node, text: str) -> None:
    with pytest.raises(note.NoteError):
        note.parse_checkpoint(text)
    assert node.ask("checkpoint", text=text)["problem"] == "malformed"


def test_a_checkpoint_with_extensions(node: Node) -> None:
    found = node.done("checkpoint", text=f"o\n7\n{ROOT}\nmore\nand more\n")
    assert found == {"origin": "o", "size": 7, "root": "00" * 32, "extensions": ["more", "and more"]}


@pytest.mark.anyio
async def test_it_verifies_what_the_api_serves(node: Node, site: Site, api: Api) -> None:
    await api.held()
    await api.applied()
    await api.runtime.sign()
    head = await api.get("/api/v1/ledger/head")
    size = head["signed"]
    for path in ["checkpoint", *(t.path for t in (*tiles.hash_tiles(size), *tiles.entry_bundles(size)))]:
        site.files[path] = (await api.admin.get(f"/ledger/{path}")).content
    found = node.done("verify", base=site.base, key=head["vkey"])
    assert (found["size"], found["root"], found["origin"]) == (size, head["root"], head["origin"])
    entry = json.loads(node.done("entry", base=site.base, key=head["vkey"], index=size - 1)["text"])
    (last,) = (await api.get("/api/v1/ledger/entries", start=size - 1, limit=1))["entries"]
    assert entry == json.loads(base64.b64decode(last["entry"]))


# -- in a browser


def test_it_runs_in_a_browser_under_a_strict_policy(site: Site) -> None:
    """As the console serves it: everything from the own origin, nothing inline."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no Chromium here")
    log = memory_log(600)
    site.files = {
        **log.export().files,
        "page.html": b'<!doctype html><title>x</title><script type="module" src="page.js"></script>',
        "page.js": b'import * as ledger from "./ledger.js"; window.ledger = ledger;',
        "ledger.js": MODULE.read_bytes(),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{site.origin}/page.html")
        page.wait_for_function("window.ledger")
        run = """async (key) => {
            try { return await window.ledger.verifyLedger({ base: "/ledger/", key }); }
            catch (error) { return { problem: error.problem ?? String(error) }; }
        }"""
        first = page.evaluate(run, VKEY)
        assert (first["size"], first["root"], first["earlier"]) == (600, log.frontier.root().hex(), None)
        log.append([sample_entry(600)])
        site.files.update(log.export().files)
        # What it kept is in localStorage, and found again by another page.
        page.reload()
        page.wait_for_function("window.ledger")
        second = page.evaluate(run, VKEY)
        assert (second["size"], second["earlier"], second["kept"]) == (
            601,
            {"size": 600, "root": first["root"]},
            True,
        )
        site.files.update(memory_log(599).export().files)
        assert page.evaluate(run, VKEY) == {"problem": "shrunk"}
        browser.close()
