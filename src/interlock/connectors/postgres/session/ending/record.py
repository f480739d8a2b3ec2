"""What was asked in one transaction: the content that people approve, that is recognised when it comes again, and that can be
run again."""

import hashlib
from collections.abc import Mapping

import msgspec

VERSION = 1
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
        """SHA-256 over the encoded record: equal for the same statements, parameters, settings, target and agent, however
        they were cut into messages."""
        return digest_of(self.encode())


def digest_of(payload: bytes) -> str:
    """The digest of an encoded record."""
    return hashlib.sha256(payload).hexdigest()


_ENCODER = msgspec.msgpack.Encoder(order="sorted")


def decode(payload: bytes) -> Record:
    """Read an encoded record. Raises msgspec.DecodeError."""
    return msgspec.msgpack.decode(payload, type=Record)


def describe(payload: bytes) -> list[str]:
    """The statements as text for people; parameters as comments behind them. A revert's payload is a sentence."""
    if payload.startswith(REVERT.encode()):
        return [payload.decode()]
    record = decode(payload)
    lines = [f"BEGIN {record.begin}"] if record.begin else []
    return lines + [_described(asked) for asked in record.statements]


def _described(asked: Asked) -> str:
    if not asked.values:
        return asked.sql
    shown = ", ".join(f"${n} = {_value(asked, n)}" for n in range(1, len(asked.values) + 1))
    return f"{asked.sql}\n-- {shown}"


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
