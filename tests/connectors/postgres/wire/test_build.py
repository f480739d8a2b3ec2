"""What the gateway says itself is what the protocol asks for."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import build, decode_backend, decode_frontend, decode_startup, encode
from interlock.connectors.postgres.codec import frontend as f


def test_an_error_says_everything() -> None:
    raw = build.error_response(
        "ERROR", "IL001", "held", "2 tables", "wait", table="t", constraint="c", where="w"
    )
    error = decode_backend(raw[0], raw)
    assert isinstance(error, b.ErrorResponse)
    assert (error.severity, error.sqlstate, error.message) == ("ERROR", "IL001", "held")
    assert (error.detail, error.hint) == ("2 tables", "wait")
    assert dict(error.fields) == {
        "S": "ERROR", "V": "ERROR", "C": "IL001", "M": "held", "D": "2 tables", "H": "wait",
        "t": "t", "n": "c", "W": "w",
    }  # fmt: skip


def test_saying_what_went_wrong_does_not_go_wrong() -> None:
    raw = build.notice_response("WARNING", "01000", "a NUL \0 and a lone surrogate \ud800")
    notice = decode_backend(raw[0], raw)
    assert isinstance(notice, b.NoticeResponse)
    assert notice.message == "a NUL � and a lone surrogate ?"
    assert notice.detail is None


@pytest.mark.parametrize("sqlstate", ["", "IL1", "IL0012", "ÄÖÜ12", "IL 01"])
def test_an_sqlstate_has_five_characters(sqlstate: str) -> None:
    with pytest.raises(ValueError, match="five"):
        build.error_response("ERROR", sqlstate, "x")


def test_an_unknown_field_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        build.error_response("ERROR", "IL001", "x", tabel="t")


def test_constants_are_what_encoding_gives() -> None:
    assert encode(b.ParseComplete()) == build.PARSE_COMPLETE
    assert encode(b.BindComplete()) == build.BIND_COMPLETE
    assert encode(b.CloseComplete()) == build.CLOSE_COMPLETE
    assert encode(b.NoData()) == build.NO_DATA
    assert encode(b.EmptyQueryResponse()) == build.EMPTY_QUERY
    assert encode(b.AuthenticationOk()) == build.AUTHENTICATION_OK
    assert encode(f.Sync()) == build.SYNC
    assert encode(f.Flush()) == build.FLUSH
    assert encode(f.Terminate()) == build.TERMINATE
    assert decode_frontend(ord("c"), build.COPY_DONE) is not None
    for status in "ITE":
        assert encode(b.ReadyForQuery(status)) == build.ready(status)
    assert build.command_complete("DELETE 3") == encode(b.CommandComplete("DELETE 3"))


@pytest.mark.parametrize(
    ("version", "options", "newest", "said"),
    [
        (f.VERSION_3_0, (), f.VERSION_3_0, None),
        (f.VERSION_3_2, (), f.VERSION_3_0, (f.VERSION_3_0, ())),
        (f.VERSION_3_2, (), f.VERSION_3_2, None),
        (0x0003_270F, (), f.VERSION_3_2, (f.VERSION_3_2, ())),
        (f.VERSION_3_0, (("_pq_.new", "1"),), f.VERSION_3_2, (f.VERSION_3_0, ("_pq_.new",))),
    ],
)
def test_versions_are_negotiated_as_a_server_does(
    version: int, options: tuple[tuple[str, str], ...], newest: int, said: tuple[int, tuple[str, ...]] | None
) -> None:
    startup = f.StartupMessage(version, (("user", "ann"), *options))
    assert decode_startup(encode(startup)) == startup
    answer = build.negotiation(startup, newest=newest)
    assert answer == (b"" if said is None else encode(b.NegotiateProtocolVersion(*said)))


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.lists(st.none() | st.binary(max_size=300)),
    st.lists(st.sampled_from((0, 1)), max_size=3).map(tuple),
)
def test_a_bind_is_what_encoding_one_gives(
    portal: str, statement: str, values: list[bytes | None], formats: tuple[int, ...]
) -> None:
    assert build.bind(portal, statement, values, formats) == encode(
        f.Bind(portal, statement, formats, tuple(values))
    )


def test_a_bind_with_too_many_values_is_refused() -> None:
    with pytest.raises(ValueError, match="field"):
        build.bind("", "", [None] * 65_536)
