"""Logging in to servers that ask for too much, prove too little, or answer nonsense."""

import pytest

from interlock.connectors.postgres.auth.scram import (
    SCRAM,
    SCRAM_PLUS,
    ChannelBinding,
    ScramServer,
    make_verifier,
    md5_response,
)
from interlock.connectors.postgres.client.errors import Stage, UpstreamError
from interlock.connectors.postgres.client.login import Channel, Login, refused
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import build, decode_as, decode_startup, encode
from interlock.connectors.postgres.codec import frontend as f

PUBLIC, PRIVATE = Channel(private=False), Channel(private=True)
PARAMETERS = {"user": "ann", "database": "shop"}
SECRET = "hunter2"
VERIFIER = make_verifier(SECRET)
WELCOME = b"".join(
    (
        encode(b.ParameterStatus("server_version", "15.18 (Debian 15.18-0+deb12u1)")),
        encode(b.BackendKeyData(7, b"abcd")),
        encode(b.NoticeResponse((("S", "WARNING"), ("M", "hello")))),
        build.ready("I"),
    )
)


def login(channel: Channel = PUBLIC, password: str | None = SECRET) -> Login:
    return Login(PARAMETERS, password, channel)


def refusal(attempt: Login, said: bytes) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        attempt.feed(said)
    assert SECRET not in str(caught.value)
    return caught.value


def test_trust() -> None:
    attempt = login(password=None)
    assert decode_startup(attempt.start()) == f.StartupMessage(f.VERSION_3_0, tuple(PARAMETERS.items()))
    assert attempt.feed(build.AUTHENTICATION_OK) == b""
    assert attempt.welcome is None
    for i in range(len(WELCOME)):
        assert attempt.feed(WELCOME[i : i + 1]) == b""
    assert attempt.welcome is not None
    assert attempt.welcome.key == b.BackendKeyData(7, b"abcd")
    assert attempt.welcome.server_version == (15, 18)
    assert attempt.leftover() == b""


def test_what_comes_after_the_welcome_is_not_lost() -> None:
    attempt = login()
    attempt.feed(build.AUTHENTICATION_OK + WELCOME + encode(b.ParameterStatus("TimeZone", "UTC")) + b"N\0\0")
    assert attempt.welcome is not None
    assert attempt.welcome.parameters["TimeZone"] == "UTC"
    assert attempt.leftover() == b"N\0\0"


def test_clear_text_only_where_nobody_listens() -> None:
    asked = encode(b.AuthenticationCleartextPassword())
    assert decode_as(f.PasswordMessage, login(PRIVATE).feed(asked)).password == SECRET
    assert "clear text" in refusal(login(PUBLIC), asked).message


def test_md5() -> None:
    answer = login().feed(encode(b.AuthenticationMD5Password(b"salt")))
    assert decode_as(f.PasswordMessage, answer).password == md5_response("ann", SECRET, b"salt")


def begin_scram(attempt: Login, server: ScramServer, offered: tuple[str, ...] = (SCRAM,)) -> bytes:
    """Up to the server's proof, which is returned."""
    first = decode_as(f.SASLInitialResponse, attempt.feed(encode(b.AuthenticationSASL(offered))))
    assert attempt.computes
    challenge = server.first(first.mechanism, first.data)
    final = decode_as(f.SASLResponse, attempt.feed(encode(b.AuthenticationSASLContinue(challenge))))
    return server.final(final.data)


def test_scram() -> None:
    attempt = login()
    proof = begin_scram(attempt, ScramServer(VERIFIER))
    attempt.feed(encode(b.AuthenticationSASLFinal(proof)) + build.AUTHENTICATION_OK + WELCOME)
    assert attempt.welcome is not None
    assert not attempt.computes


def test_scram_bound_to_the_channel() -> None:
    channel = Channel(True, b"h" * 32, ChannelBinding.REQUIRE)
    attempt = login(channel)
    begin_scram(attempt, ScramServer(VERIFIER, certificate_hash=b"h" * 32), (SCRAM_PLUS, SCRAM))


def test_a_server_that_skips_its_proof_is_refused() -> None:
    attempt = login()
    begin_scram(attempt, ScramServer(VERIFIER))
    assert "did not prove" in refusal(attempt, build.AUTHENTICATION_OK).message
    attempt = login()
    attempt.feed(encode(b.AuthenticationSASL((SCRAM,))))
    assert "did not prove" in refusal(attempt, build.AUTHENTICATION_OK).message


def test_a_server_with_a_wrong_proof_is_refused() -> None:
    attempt = login()
    begin_scram(attempt, ScramServer(VERIFIER))
    proof = encode(b.AuthenticationSASLFinal(b"v=" + b"A" * 43 + b"="))
    assert "does not know the password" in refusal(attempt, proof).message


@pytest.mark.parametrize(
    "said",
    [
        build.AUTHENTICATION_OK,
        encode(b.AuthenticationMD5Password(b"salt")),
        encode(b.AuthenticationCleartextPassword()),
        encode(b.AuthenticationSASL((SCRAM,))),
    ],
)
def test_required_channel_binding_means_scram_plus(said: bytes) -> None:
    attempt = login(Channel(True, b"h" * 32, ChannelBinding.REQUIRE))
    if said[5:9] in (b"\0\0\0\3", b"\0\0\0\5"):
        attempt.feed(said)
        said = build.AUTHENTICATION_OK
    assert "channel binding is required" in refusal(attempt, said).message


def test_it_is_asked_for_one_thing_only() -> None:
    attempt = login(PRIVATE)
    attempt.feed(encode(b.AuthenticationMD5Password(b"salt")))
    assert "not supported" in refusal(attempt, encode(b.AuthenticationCleartextPassword())).message
    attempt = login(PRIVATE)
    attempt.feed(encode(b.AuthenticationSASL((SCRAM,))))
    assert "not supported" in refusal(attempt, encode(b.AuthenticationCleartextPassword())).message


@pytest.mark.parametrize(
    "said",
    [
        WELCOME,
        b"D\0\0\0\6\0\0",
        encode(b.AuthenticationGSS()),
        encode(b.AuthenticationSASL(("OAUTHBEARER",))),
        encode(b.AuthenticationSASLContinue(b"r=x,s=AAAA,i=4096")),
        encode(b.AuthenticationSASLFinal(b"v=")),
        encode(b.NegotiateProtocolVersion(f.VERSION_3_0, ())),
        build.AUTHENTICATION_OK + build.AUTHENTICATION_OK,
        build.AUTHENTICATION_OK + build.ready("T"),
        build.AUTHENTICATION_OK + WELCOME + WELCOME,
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\xff" * 20,
    ],
)
def test_nonsense(said: bytes) -> None:
    error = refusal(login(), said)
    assert (error.stage, error.sqlstate) == (Stage.AUTHENTICATE, "08P01")
    assert not refused(error)


def test_no_password_configured() -> None:
    error = refusal(login(password=None), encode(b.AuthenticationMD5Password(b"salt")))
    assert "none is configured" in error.message
    assert (
        "empty or contains NUL" in refusal(login(password=""), encode(b.AuthenticationSASL((SCRAM,)))).message
    )


def test_refused_passwords_are_told_apart() -> None:
    said = build.error_response("FATAL", "28P01", 'password authentication failed for user "ann"')
    error = refusal(login(), said)
    assert refused(error)
    assert error.message == 'password authentication failed for user "ann"'
    error = refusal(
        login(), build.AUTHENTICATION_OK + build.error_response("FATAL", "3D000", "no such database")
    )
    assert (error.stage, error.sqlstate, refused(error)) == (Stage.STARTUP, "3D000", False)


def test_errors_in_the_servers_own_encoding_can_be_read() -> None:
    text = "SFATAL\0C28P01\0MPasswort-Authentifizierung für ann fehlgeschlagen\0\0".encode("latin-1")
    error = refusal(login(), b"E" + (len(text) + 4).to_bytes(4, "big") + text)
    assert error.sqlstate == "28P01"
    assert error.message == "Passwort-Authentifizierung f?r ann fehlgeschlagen"


@pytest.mark.parametrize(
    ("said", "version"),
    [("18.4", (18, 4)), ("18beta1", (18, 0)), ("19devel", (19, 0)), ("", (0, 0)), ("x", (0, 0))],
)
def test_versions(said: str, version: tuple[int, int]) -> None:
    attempt = login()
    told = encode(b.ParameterStatus("server_version", said))
    attempt.feed(build.AUTHENTICATION_OK + told + build.ready("I"))
    assert attempt.welcome is not None
    assert attempt.welcome.server_version == version
    assert attempt.welcome.key is None
