"""SCRAM-SHA-256 in both roles: the vectors of RFC 7677, each other, and every way to cheat."""

import base64
import hashlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interlock.connectors.postgres.auth.scram import (
    SCRAM,
    SCRAM_PLUS,
    ChannelBinding,
    ScramClient,
    ScramRefused,
    ScramServer,
    Verifier,
    make_verifier,
    md5_response,
    mechanisms,
    mock_verifier,
)
from interlock.wire import ProtocolViolation

# RFC 7677 section 3.
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CLIENT_FIRST = f"n,,n=user,r={CLIENT_NONCE}".encode()
SERVER_FIRST = f"r={CLIENT_NONCE}{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
CLIENT_FINAL = (
    f"c=biws,r={CLIENT_NONCE}{SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

VERIFIER = make_verifier("pencil", salt=SALT)
HASH = bytes(range(32))


def test_the_server_of_rfc_7677() -> None:
    server = ScramServer(VERIFIER, nonce=SERVER_NONCE)
    assert server.first(SCRAM, CLIENT_FIRST) == SERVER_FIRST
    assert server.final(CLIENT_FINAL) == SERVER_FINAL


def test_the_client_of_rfc_7677() -> None:
    client = ScramClient("pencil", (SCRAM,), nonce=CLIENT_NONCE)
    client._bare = f"n=user,r={CLIENT_NONCE}"  # PostgreSQL's clients leave the name out, the RFC's does not
    assert client.first() == CLIENT_FIRST
    assert client.final(SERVER_FIRST) == CLIENT_FINAL
    assert not client.verified
    client.verify(SERVER_FINAL)
    assert client.verified


def log_in(client: ScramClient, server: ScramServer) -> None:
    challenge = server.first(client.mechanism, client.first())
    client.verify(server.final(client.final(challenge)))
    assert client.verified


@settings(max_examples=20)
@given(st.text(min_size=1, max_size=20), st.binary(min_size=1, max_size=32))
@example("größe \u00ad\u2168", b"salt")
@example("\u0007control é", b"salt")
def test_client_and_server_agree(password: str, salt: bytes) -> None:
    if any("\ud800" <= c <= "\udfff" for c in password):
        return
    log_in(ScramClient(password, mechanisms(None)), ScramServer(make_verifier(password, salt=salt)))


def test_channel_binding() -> None:
    client = ScramClient("pencil", mechanisms(HASH), certificate_hash=HASH, binding=ChannelBinding.REQUIRE)
    assert client.mechanism == SCRAM_PLUS
    log_in(client, ScramServer(VERIFIER, certificate_hash=HASH))


def test_somebody_between_with_another_certificate_is_noticed() -> None:
    client = ScramClient("pencil", mechanisms(HASH), certificate_hash=HASH[::-1])
    server = ScramServer(VERIFIER, certificate_hash=HASH)
    challenge = server.first(client.mechanism, client.first())
    with pytest.raises(ProtocolViolation, match="channel binding"):
        server.final(client.final(challenge))


def test_somebody_between_who_hides_the_offer_of_binding_is_noticed() -> None:
    client = ScramClient("pencil", (SCRAM,), certificate_hash=HASH)
    assert client.first().startswith(b"y,,")
    with pytest.raises(ProtocolViolation, match="downgrade"):
        ScramServer(VERIFIER, certificate_hash=HASH).first(client.mechanism, client.first())


def test_clients_that_cannot_bind_or_see_no_offer_are_let_in() -> None:
    log_in(ScramClient("pencil", mechanisms(HASH)), ScramServer(VERIFIER, certificate_hash=HASH))  # n
    log_in(ScramClient("pencil", (SCRAM,), certificate_hash=HASH), ScramServer(VERIFIER))  # y
    off = ScramClient("pencil", mechanisms(HASH), certificate_hash=HASH, binding=ChannelBinding.DISABLE)
    log_in(off, ScramServer(VERIFIER, certificate_hash=HASH))


@pytest.mark.parametrize(
    ("offered", "certificate_hash"), [((SCRAM,), HASH), ((SCRAM_PLUS, SCRAM), None), ((), HASH)]
)
def test_required_binding_that_is_not_possible(
    offered: tuple[str, ...], certificate_hash: bytes | None
) -> None:
    with pytest.raises(ProtocolViolation, match="channel binding is required"):
        ScramClient("p", offered, certificate_hash=certificate_hash, binding=ChannelBinding.REQUIRE)


@pytest.mark.parametrize(
    ("mechanism", "message", "certificate_hash"),
    [
        (SCRAM_PLUS, b"p=tls-server-end-point,,n=,r=abc", None),
        (SCRAM_PLUS, b"p=tls-unique,,n=,r=abc", HASH),
        (SCRAM_PLUS, b"n,,n=,r=abc", HASH),
        (SCRAM_PLUS, b"y,,n=,r=abc", HASH),
        (SCRAM, b"p=tls-server-end-point,,n=,r=abc", HASH),
        (SCRAM, b"p=tls-server-end-point,,n=,r=abc", None),
        (SCRAM, b"n,a=root,n=,r=abc", None),
        (SCRAM, b"n,,m=must,n=,r=abc", None),
        (SCRAM, b"n,,n=,r=", None),
        (SCRAM, b"n,,n=,r=a b", None),
        (SCRAM, "n,,n=,r=é".encode(), None),
        (SCRAM, b"n,,n=\xff,r=abc", None),
        (SCRAM, b"n,,n=\0,r=abc", None),
        (SCRAM, b"n,,n=", None),
        (SCRAM, b"n", None),
        (SCRAM, b"", None),
        (SCRAM, None, None),
        ("PLAIN", b"n,,n=,r=abc", None),
    ],
)
def test_first_messages_that_are_refused(
    mechanism: str, message: bytes | None, certificate_hash: bytes | None
) -> None:
    with pytest.raises(ProtocolViolation):
        ScramServer(VERIFIER, certificate_hash=certificate_hash).first(mechanism, message)


@given(st.binary(max_size=80))
def test_garbage_is_refused_by_both(message: bytes) -> None:
    server, client = ScramServer(VERIFIER), ScramClient("pencil", (SCRAM,))
    with pytest.raises(ProtocolViolation):
        server.first(SCRAM, message)
    with pytest.raises(ProtocolViolation):
        server.final(message)
    with pytest.raises(ProtocolViolation):
        client.final(message)
    with pytest.raises((ProtocolViolation, ScramRefused)):
        client.verify(message)


@given(st.integers(0, len(CLIENT_FINAL) - 1), st.integers(0, 255))
def test_no_changed_proof_is_accepted(position: int, byte: int) -> None:
    changed = bytearray(CLIENT_FINAL)
    if changed[position] == byte:
        return
    changed[position] = byte
    server = ScramServer(VERIFIER, nonce=SERVER_NONCE)
    server.first(SCRAM, CLIENT_FIRST)
    with pytest.raises((ProtocolViolation, ScramRefused)):
        server.final(bytes(changed))


def test_a_proof_before_the_challenge_is_refused() -> None:
    with pytest.raises(ProtocolViolation):
        ScramServer(VERIFIER).final(CLIENT_FINAL)


def attempt(password: str, server: ScramServer) -> str:
    client = ScramClient(password, (SCRAM,))
    challenge = server.first(SCRAM, client.first())
    with pytest.raises(ScramRefused) as caught:
        server.final(client.final(challenge))
    return str(caught.value)


def test_the_text_is_the_same_whatever_is_wrong() -> None:
    mock = mock_verifier(b"server secret", "nobody")
    texts = {
        attempt("wrong", ScramServer(VERIFIER)),
        attempt("wrong", ScramServer(mock, known=False)),
        attempt("pencil", ScramServer(VERIFIER, known=False)),
    }
    assert texts == {"authentication failed"}


def test_unknown_users_look_like_known_ones() -> None:
    mock = mock_verifier(b"server secret", "nobody")
    assert mock == mock_verifier(b"server secret", "nobody")
    assert mock.salt != mock_verifier(b"server secret", "nobody2").salt
    assert mock.salt != mock_verifier(b"another secret", "nobody").salt
    assert len(mock.salt) == len(make_verifier("x").salt)
    assert mock.iterations == make_verifier("x").iterations
    assert len(str(mock)) == len(str(make_verifier("x")))


def test_verifiers_in_postgresql_format() -> None:
    text = str(VERIFIER)
    assert text.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert Verifier.parse(text) == VERIFIER
    assert make_verifier("pencil", 10_000).iterations == 10_000
    assert make_verifier("pencil").salt != make_verifier("pencil").salt
    with pytest.raises(ValueError, match="4096"):
        make_verifier("pencil", 1000)


def test_verifiers_do_not_show_themselves() -> None:
    for part in (VERIFIER.stored_key, VERIFIER.server_key, VERIFIER.salt):
        assert base64.b64encode(part).decode() not in repr(VERIFIER)
        assert repr(part) not in repr(VERIFIER)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "md5c0ffee",
        "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
        "SCRAM-SHA-256$x:W22ZaJ0SNY7soEsUEjb6gQ==$" + str(VERIFIER).rpartition("$")[2],
        "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$" + str(VERIFIER).rpartition("$")[2],
        str(VERIFIER) + "?",
        str(VERIFIER).replace("SHA-256", "SHA-512"),
        str(VERIFIER).replace(":", ""),
    ],
)
def test_what_is_not_a_verifier(text: str) -> None:
    with pytest.raises(ValueError, match="not a SCRAM-SHA-256 verifier"):
        Verifier.parse(text)


@pytest.mark.parametrize(
    "challenge",
    [
        f"r={SERVER_NONCE},s=AAAA,i=4096",
        f"r={CLIENT_NONCE},s=AAAA,i=4096",
        f"r={CLIENT_NONCE}x,s=AAAA,i=0",
        f"r={CLIENT_NONCE}x,s=AAAA,i=-1",
        f"r={CLIENT_NONCE}x,s=AAAA,i=1000001",
        f"r={CLIENT_NONCE}x,s=AAAA,i=9999999999999",
        f"r={CLIENT_NONCE}x,s=AA*A,i=4096",
        f"r={CLIENT_NONCE}x,i=4096",
        f"m=x,r={CLIENT_NONCE}x,s=AAAA,i=4096",
    ],
)
def test_challenges_that_a_client_refuses(challenge: str) -> None:
    with pytest.raises(ProtocolViolation):
        ScramClient("pencil", (SCRAM,), nonce=CLIENT_NONCE).final(challenge.encode())


def test_an_impostor_without_the_verifier_is_noticed() -> None:
    client = ScramClient("pencil", (SCRAM,))
    impostor = ScramServer(mock_verifier(b"x", "user"))
    client.final(impostor.first(SCRAM, client.first()))
    with pytest.raises(ScramRefused, match="does not know the password"):
        client.verify(SERVER_FINAL)
    with pytest.raises(ScramRefused):
        client.verify(b"e=other-error")
    assert not client.verified


def test_a_proof_of_the_server_before_ours_proves_nothing() -> None:
    with pytest.raises(ScramRefused):
        ScramClient("pencil", (SCRAM,)).verify(SERVER_FINAL)


def test_md5_answers() -> None:
    """As the manual says: 'md5' || md5(md5(password || user) || salt)."""
    inner = hashlib.md5(b"secretann", usedforsecurity=False).hexdigest().encode()
    outer = hashlib.md5(inner + b"\1\2\3\4", usedforsecurity=False).hexdigest()
    assert md5_response("ann", "secret", b"\1\2\3\4") == f"md5{outer}"
