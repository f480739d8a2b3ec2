"""The field types of PostgreSQL messages; each can be read from a message and written to one.

Source: PostgreSQL manual, chapter 55 "Frontend/Backend Protocol", sections 55.6 to 55.8.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from interlock.wire import Reader


class Field(NamedTuple):
    """How one field is read, and how its value is written.

    ``write`` raises ``ValueError`` for a value that the field cannot carry.
    """

    read: Callable[[Reader], Any]
    write: Callable[[bytearray, Any], None]


def _number(read: Callable[[Reader], int], code: str) -> Field:
    pack = struct.Struct(code).pack

    def write(out: bytearray, value: int) -> None:
        try:
            out += pack(value)
        except struct.error:
            raise ValueError(f"{value!r} does not fit the field") from None

    return Field(read, write)


def _write_text(out: bytearray, value: str) -> None:
    data = value.encode()
    if b"\0" in data:
        raise ValueError("a text must not contain NUL")
    out += data
    out.append(0)


def _write_bytes(out: bytearray, value: bytes) -> None:
    out += value


def _write_nullable(out: bytearray, value: bytes | None) -> None:
    if value is None:
        out += b"\xff\xff\xff\xff"
    else:
        INT32.write(out, len(value))
        out += value


def _write_nullables(out: bytearray, values: tuple[bytes | None, ...]) -> None:
    UINT16.write(out, len(values))
    for value in values:
        _write_nullable(out, value)


INT8 = _number(lambda reader: (reader.uint8() ^ 0x80) - 0x80, ">b")
INT16 = _number(Reader.int16, ">h")
UINT16 = _number(Reader.uint16, ">H")
INT32 = _number(Reader.int32, ">i")
UINT32 = _number(Reader.uint32, ">I")
TEXT = Field(Reader.text, _write_text)
REST = Field(Reader.rest, _write_bytes)
NULLABLE = Field(Reader.nullable, _write_nullable)
NULLABLES = Field(Reader.nullables, _write_nullables)


def octets(size: int) -> Field:
    """Exactly ``size`` bytes."""

    def write(out: bytearray, value: bytes) -> None:
        if len(value) != size:
            raise ValueError(f"the field takes {size} bytes")
        out += value

    return Field(lambda reader: reader.take(size), write)


def octets_between(least: int, most: int) -> Field:
    """All that is left, which must be ``least`` to ``most`` bytes."""

    def read(reader: Reader) -> bytes:
        value = reader.rest()
        if not least <= len(value) <= most:
            raise reader.violation("a key has an impossible length")
        return value

    def write(out: bytearray, value: bytes) -> None:
        if not least <= len(value) <= most:
            raise ValueError(f"the field takes {least} to {most} bytes")
        out += value

    return Field(read, write)


def one_of(choices: str) -> Field:
    """One ASCII character out of ``choices``."""

    def read(reader: Reader) -> str:
        value = chr(reader.uint8())
        if value not in choices:
            raise reader.violation(f"a code is not one of {choices}")
        return value

    def write(out: bytearray, value: str) -> None:
        if len(value) != 1 or value not in choices:
            raise ValueError(f"{value!r} is not one of {choices}")
        out += value.encode()

    return Field(read, write)


def counted(count: Field, item: Field) -> Field:
    """A tuple: the number of items, then the items. A negative number is a violation."""

    def read(reader: Reader) -> tuple[Any, ...]:
        number = count.read(reader)
        if number < 0:
            raise reader.violation("a count is negative")
        return tuple([item.read(reader) for _ in range(number)])

    def write(out: bytearray, values: tuple[Any, ...]) -> None:
        count.write(out, len(values))
        for value in values:
            item.write(out, value)

    return Field(read, write)


def record(type_: Callable[..., Any], names: Iterable[str], fields: Iterable[Field]) -> Field:
    """One value of ``type_``, whose attributes ``names`` are ``fields`` one after the other."""
    parts = tuple(zip(names, fields, strict=True))

    def read(reader: Reader) -> Any:
        return type_(*[field.read(reader) for _, field in parts])

    def write(out: bytearray, value: Any) -> None:
        for name, field in parts:
            field.write(out, getattr(value, name))

    return Field(read, write)


def _read_texts(reader: Reader) -> tuple[str, ...]:
    texts: list[str] = []
    while text := reader.text():
        texts.append(text)
    return tuple(texts)


def _write_texts(out: bytearray, values: tuple[str, ...]) -> None:
    for value in values:
        if not value:
            raise ValueError("an empty text ends the list")
        _write_text(out, value)
    out.append(0)


def _read_settings(reader: Reader) -> tuple[tuple[str, str], ...]:
    settings: dict[str, str] = {}
    while name := reader.text():
        if name in settings:
            # The server would heed the last one, others the first: nobody who means well sends two.
            raise reader.violation("a parameter is given twice")
        settings[name] = reader.text()
    return tuple(settings.items())


def _write_settings(out: bytearray, values: tuple[tuple[str, str], ...]) -> None:
    for name, value in values:
        if not name:
            raise ValueError("an empty name ends the list")
        _write_text(out, name)
        _write_text(out, value)
    out.append(0)


def _read_notes(reader: Reader) -> tuple[tuple[str, str], ...]:
    notes: list[tuple[str, str]] = []
    while code := reader.uint8():
        if code > 127:
            raise reader.violation("a field code is not ASCII")
        notes.append((chr(code), reader.text()))
    return tuple(notes)


def _write_notes(out: bytearray, values: tuple[tuple[str, str], ...]) -> None:
    for code, text in values:
        if len(code) != 1 or not 0 < ord(code) < 128:
            raise ValueError(f"{code!r} is not a field code")
        out.append(ord(code))
        _write_text(out, text)
    out.append(0)


TEXTS = Field(_read_texts, _write_texts)
"""Non-empty texts up to an empty one."""
SETTINGS = Field(_read_settings, _write_settings)
"""Pairs of name and value, up to an empty name; no name twice."""
NOTES = Field(_read_notes, _write_notes)
"""Pairs of one-character code and text, up to a zero byte: the fields of errors and notices."""
