"""Signed notes and checkpoints, by the examples of the specification and by damage."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.ledger_exports import KEY, ORIGIN

from interlock.ledger import note
from interlock.ledger.note import Checkpoint, NoteError, SignerKey

# The test key of the Go checksum database's note package, which the specification grew from.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
CHECKPOINT = Checkpoint(ORIGIN, 70, bytes(range(32)))
OTHER = SignerKey("witness.example/w1", Ed25519PrivateKey.from_private_bytes(bytes(32)))


def signed() -> bytes:
    return note.sign_checkpoint(CHECKPOINT, KEY)


def test_a_note_of_another_implementation_verifies() -> None:
    key = note.parse_vkey(GO_VKEY)
    assert str(key) == GO_VKEY
    parsed = note.parse_note(GO_NOTE)
    assert note.verify_note(parsed, key).startswith("If you think")
    assert parsed.encode() == GO_NOTE


def test_a_checkpoint_round_trips() -> None:
    assert note.open_checkpoint(signed(), KEY.verifier) == CHECKPOINT
    assert note.parse_vkey(f"{KEY.verifier}\n") == KEY.verifier


def test_extension_lines_are_signed_and_kept() -> None:
    extended = Checkpoint(ORIGIN, 1, bytes(32), ("a", "b c"))
    data = note.sign_checkpoint(extended, KEY)
    assert note.open_checkpoint(data, KEY.verifier) == extended
    with pytest.raises(NoteError, match="does not verify"):
        note.open_checkpoint(data.replace(b"b c", b"b d"), KEY.verifier)


def test_cosignatures_of_others_are_tolerated_before_and_after() -> None:
    theirs = str(note.sign(CHECKPOINT.text, OTHER).signatures[0]).encode()
    text, _, ours = signed().partition(b"\n\n")
    for lines in (ours + theirs, theirs + ours, theirs + ours + theirs):
        assert note.open_checkpoint(text + b"\n\n" + lines, KEY.verifier) == CHECKPOINT
    with pytest.raises(NoteError, match="not signed by"):
        note.open_checkpoint(text + b"\n\n" + theirs, KEY.verifier)


def test_a_bad_line_of_the_known_key_refuses_the_whole_note() -> None:
    text, _, ours = signed().partition(b"\n\n")
    forged = str(note.Signature(ORIGIN, KEY.verifier.key_id, bytes(64))).encode()
    with pytest.raises(NoteError, match="does not verify"):
        note.open_checkpoint(text + b"\n\n" + ours + forged, KEY.verifier)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    data = note.sign_checkpoint(Checkpoint("other.example/log", 1, bytes(32)), KEY)
    with pytest.raises(NoteError, match="of other"):
        note.open_checkpoint(data, KEY.verifier)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_altered_byte_passes(place: int, flip: int) -> None:
    data = bytearray(signed())
    data[place % len(data)] ^= flip
    with pytest.raises(NoteError):
        note.open_checkpoint(bytes(data), KEY.verifier)


@given(st.integers(0, len(signed()) - 1))
def test_no_cut_note_passes(end: int) -> None:
    with pytest.raises(NoteError):
        note.open_checkpoint(signed()[:end], KEY.verifier)


@given(st.binary(max_size=200))
def test_garbage_is_only_ever_a_note_error(data: bytes) -> None:
    with pytest.raises(NoteError):
        note.open_checkpoint(data, KEY.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("c74f20a3", "C74F20A3"),
        GO_VKEY.replace("PeterNeumann", "PeterNeuman"),
        GO_VKEY.replace("PeterNeumann", "Peter Neumann"),
        GO_VKEY.replace("+ARpc", "+BRpc"),
        GO_VKEY[:-4],
        GO_VKEY + "=",
    ],
)
def test_malformed_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        note.parse_vkey(text)


@pytest.mark.parametrize(
    "text",
    [
        "o\n1\n",
        "o\n1\nAAAA\n",
        f"o\n01\n{'A' * 43}=\n",
        f"o\n-1\n{'A' * 43}=\n",
        f"o\n１\n{'A' * 43}=\n",
        f"o\n1\n{'A' * 43}=",
        f"o\n1\n{'A' * 42}B=\n",
        f"\n1\n{'A' * 43}=\n",
        f"o\n1\n{'A' * 43}=\n\n",
        f"o\n{10**30}\n{'A' * 43}=\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        note.parse_checkpoint(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "x" * 256])
def test_a_key_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(NoteError):
        SignerKey(name, KEY.private)


@pytest.mark.parametrize("text", ["no newline", "tab\t\n", "null\0\n"])
def test_text_that_cannot_be_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        note.sign(text, KEY)


def test_a_private_key_does_not_show() -> None:
    assert "Ed25519PrivateKey" not in repr(KEY)


def test_notes_may_hold_empty_lines() -> None:
    data = note.sign("a\n\nb\n", KEY).encode()
    assert note.verify_note(note.parse_note(data), KEY.verifier) == "a\n\nb\n"


@given(st.lists(st.integers(0, 10**18), max_size=5))
def test_a_file_of_notes_is_split(sizes: list[int]) -> None:
    notes = tuple(note.sign_checkpoint(Checkpoint(ORIGIN, size, bytes(32), ("x",)), KEY) for size in sizes)
    assert note.split_notes(b"".join(data + b"\n" for data in notes)) == notes
    assert note.split_notes(b"\n".join(notes)) == notes, "the last empty line may be missing"


@given(st.integers(1, len(signed()) - 1))
def test_a_write_that_was_interrupted_does_not_spoil_the_file(end: int) -> None:
    torn = note.split_notes(signed() + b"\n" + signed()[:end])
    assert torn[0] == signed()
    assert all(piece.endswith(b"\n") for piece in torn)
    assert note.split_notes(signed()[:end]), "a file with nothing else in it is not taken for an empty one"
    assert note.split_notes(b"") == ()
