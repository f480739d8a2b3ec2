"""Arbitrary messages of every type, written down independently of the table they test."""

from typing import Any

from hypothesis import strategies as st

from interlock.connectors.postgres.codec import CopyData, CopyDone
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f

Strategy = st.SearchStrategy[Any]

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
name = text.filter(bool)
data = st.binary(max_size=40)
int16 = st.integers(-(2**15), 2**15 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
oid = st.integers(0, 2**32 - 1)
formats = st.lists(int16, max_size=5).map(tuple)
values = st.lists(st.none() | data, max_size=5).map(tuple)
oids = st.lists(oid, max_size=5).map(tuple)
settings = st.dictionaries(name, text, max_size=5).map(lambda d: tuple(d.items()))
notes = st.lists(st.tuples(st.characters(min_codepoint=1, max_codepoint=127), text), max_size=5).map(tuple)
copy_format = st.integers(-128, 127)
key = st.binary(min_size=4, max_size=256)
columns = st.lists(st.builds(b.Column, text, oid, int16, oid, int16, int32, int16), max_size=4).map(tuple)

STARTUP: dict[type, Strategy] = {
    f.StartupMessage: st.builds(f.StartupMessage, st.integers(0x30000, 0x3FFFF), settings),
    f.CancelRequest: st.builds(f.CancelRequest, int32, key),
    f.SSLRequest: st.builds(f.SSLRequest),
    f.GSSENCRequest: st.builds(f.GSSENCRequest),
}
LOGIN: dict[type, Strategy] = {
    f.PasswordMessage: st.builds(f.PasswordMessage, text),
    f.SASLInitialResponse: st.builds(f.SASLInitialResponse, text, st.none() | data),
    f.SASLResponse: st.builds(f.SASLResponse, data),
}
BOTH: dict[type, Strategy] = {CopyData: st.builds(CopyData, data), CopyDone: st.builds(CopyDone)}
FRONTEND: dict[type, Strategy] = {
    f.AuthenticationData: st.builds(f.AuthenticationData, data),
    f.Query: st.builds(f.Query, text),
    f.Parse: st.builds(f.Parse, text, text, oids),
    f.Bind: st.builds(f.Bind, text, text, formats, values, formats),
    f.Describe: st.builds(f.Describe, st.sampled_from("SP"), text),
    f.Execute: st.builds(f.Execute, text, int32),
    f.Close: st.builds(f.Close, st.sampled_from("SP"), text),
    f.Flush: st.builds(f.Flush),
    f.Sync: st.builds(f.Sync),
    f.CopyFail: st.builds(f.CopyFail, text),
    f.FunctionCall: st.builds(f.FunctionCall, oid, formats, values, int16),
    f.Terminate: st.builds(f.Terminate),
    **BOTH,
}
BACKEND: dict[type, Strategy] = {
    b.AuthenticationOk: st.builds(b.AuthenticationOk),
    b.AuthenticationKerberosV5: st.builds(b.AuthenticationKerberosV5),
    b.AuthenticationCleartextPassword: st.builds(b.AuthenticationCleartextPassword),
    b.AuthenticationMD5Password: st.builds(b.AuthenticationMD5Password, st.binary(min_size=4, max_size=4)),
    b.AuthenticationGSS: st.builds(b.AuthenticationGSS),
    b.AuthenticationGSSContinue: st.builds(b.AuthenticationGSSContinue, data),
    b.AuthenticationSSPI: st.builds(b.AuthenticationSSPI),
    b.AuthenticationSASL: st.builds(b.AuthenticationSASL, st.lists(name, max_size=3).map(tuple)),
    b.AuthenticationSASLContinue: st.builds(b.AuthenticationSASLContinue, data),
    b.AuthenticationSASLFinal: st.builds(b.AuthenticationSASLFinal, data),
    b.NegotiateProtocolVersion: st.builds(
        b.NegotiateProtocolVersion, oid, st.lists(text, max_size=3).map(tuple)
    ),
    b.BackendKeyData: st.builds(b.BackendKeyData, int32, key),
    b.ParameterStatus: st.builds(b.ParameterStatus, text, text),
    b.ReadyForQuery: st.builds(b.ReadyForQuery, st.sampled_from("ITE")),
    b.RowDescription: st.builds(b.RowDescription, columns),
    b.DataRow: st.builds(b.DataRow, values),
    b.CommandComplete: st.builds(b.CommandComplete, text),
    b.EmptyQueryResponse: st.builds(b.EmptyQueryResponse),
    b.NoData: st.builds(b.NoData),
    b.ParseComplete: st.builds(b.ParseComplete),
    b.BindComplete: st.builds(b.BindComplete),
    b.CloseComplete: st.builds(b.CloseComplete),
    b.PortalSuspended: st.builds(b.PortalSuspended),
    b.ParameterDescription: st.builds(b.ParameterDescription, oids),
    b.ErrorResponse: st.builds(b.ErrorResponse, notes),
    b.NoticeResponse: st.builds(b.NoticeResponse, notes),
    b.NotificationResponse: st.builds(b.NotificationResponse, int32, text, text),
    b.CopyInResponse: st.builds(b.CopyInResponse, copy_format, formats),
    b.CopyOutResponse: st.builds(b.CopyOutResponse, copy_format, formats),
    b.CopyBothResponse: st.builds(b.CopyBothResponse, copy_format, formats),
    b.FunctionCallResponse: st.builds(b.FunctionCallResponse, st.none() | data),
    **BOTH,
}

frontend_message = st.one_of(*FRONTEND.values())
backend_message = st.one_of(*BACKEND.values())


def chunks_of(whole: bytes) -> Strategy:
    """Ways to cut ``whole`` into pieces."""
    cuts = st.lists(st.integers(0, len(whole)), max_size=8).map(sorted)
    return cuts.map(lambda at: [whole[i:j] for i, j in zip([0, *at], [*at, len(whole)], strict=True)])


def byte_by_byte(whole: bytes) -> list[bytes]:
    """One piece for each byte."""
    return [whole[i : i + 1] for i in range(len(whole))]
