"""What was asked in one transaction: the content that people approve, that is recognised when it comes again, and that can be
run again."""

import hashlib
from collections.abc import Mapping

import msgspec

from interlock.connectors.postgres.session.ending import withheld

VERSION = 1
WITHHELD = b"withheld "
"""How a payload begins that is disclosed without the secrets in it: no encoded record does."""
REVERT = "revert of "
"""How the payload of a revert begins: it is a sentence, not a record."""


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """One statement. For the extended protocol: the types as given in Parse, the values and formats as given in Bind (0 text,
    1 binary)."""

    sql: str
    extended: bool = False
    types: tuple[int, ...] = ()
    formats: tuple[int, ...] = ()
    values: tuple[bytes | None, ...] = ()


class Record(msgspec.Struct, frozen=True):
    """A transaction's content. `settings` are the session's settings that change what the statements mean; `begin` is how the
    transaction was begun (`ISOLATION LEVEL SERIALIZABLE`, or empty)."""

    target: str
    agent: str
    statements: tuple[Asked, ...]
    settings: dict[str, str]
    begin: str = ""
    version: int = VERSION

    def encode(self) -> bytes:
        return _ENCODER.encode(self)

    def digest(self) -> str:
        """SHA-256 over the record as people are given it: equal for the same statements, parameters, settings, target and agent,
        however they were cut into messages."""
        return hashlib.sha256(self.disclosed()).hexdigest()

    def disclosed(self) -> bytes:
        """The encoded record; with secrets in it a line with their digest, and the record with masks in their places. Their digest
        is a slow one (scrypt, RFC 7914; some 10 ms), salted with all the rest."""
        found = [withheld.masked(asked.sql) for asked in self.statements]
        if not any(hidden for _, hidden in found):
            return self.encode()
        told = (
            msgspec.structs.replace(a, sql=sql) for a, (sql, _) in zip(self.statements, found, strict=True)
        )
        rest = msgspec.structs.replace(self, statements=tuple(told)).encode()
        secrets = _ENCODER.encode([hidden for _, hidden in found])
        digest = hashlib.scrypt(secrets, salt=rest, n=1 << 12, r=8, p=1, dklen=32).hex()
        return WITHHELD + digest.encode() + b"\n" + rest


def digest_of(payload: bytes) -> str:
    """The digest of an encoded record, as it is or disclosed, or of a revert's sentence."""
    return hashlib.sha256(disclosed(payload)).hexdigest()


def disclosed(payload: bytes) -> bytes:
    """What people are given of a payload: it has the same digest, and cannot be run when it lacks secrets."""
    if payload.startswith((REVERT.encode(), WITHHELD)):
        return payload
    return decode(payload).disclosed()


_ENCODER = msgspec.msgpack.Encoder(order="sorted")


def decode(payload: bytes) -> Record:
    """Read an encoded record. Raises msgspec.DecodeError."""
    return msgspec.msgpack.decode(payload, type=Record)


def describe(payload: bytes) -> list[str]:
    """The statements as text for people; parameters as comments behind them. A revert's payload is a sentence."""
    if payload.startswith(REVERT.encode()):
        return [payload.decode()]
    record = decode(payload.partition(b"\n")[2] if payload.startswith(WITHHELD) else payload)
    lines = [f"BEGIN {record.begin}"] if record.begin else []
    return lines + [_described(asked) for asked in record.statements]


def _described(asked: Asked) -> str:
    sql, _ = withheld.masked(asked.sql)
    if not asked.values:
        return sql
    shown = ", ".join(f"${n} = {_value(asked, n)}" for n in range(1, len(asked.values) + 1))
    return f"{sql}\n-- {shown}"


def _value(asked: Asked, number: int) -> str:
    value = asked.values[number - 1]
    if value is None:
        return "NULL"
    formats = asked.formats
    code = formats[number - 1] if len(formats) > 1 else (formats[0] if formats else 0)
    if code == 1:
        return f"\\x{value.hex()}"
    return repr(value.decode(errors="backslashreplace"))


def meaning(settings: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """The part of the session's settings that changes meaning."""
    return {name: settings[name] for name in names if name in settings}
