"""All services' models in one value that is built once per version of botocore, and loaded in a moment.

Reading and compiling botocore's files takes many seconds. What is kept is a table of heads, by which the service is found, and each
service as compressed MessagePack, which is unpacked when it is first asked for.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from interlock.connectors.aws.codec.compiled import compiled, head_of
from interlock.connectors.aws.codec.model import Head, Model, Service
from interlock.model.base import Value

FORMAT = 3
"""Goes up with each change of the stored form; a file of another format is built again."""

_SERVICE = msgspec.msgpack.Decoder(Service)


class Stored(Value, frozen=True, array_like=True):
    """The form in which an index is kept."""

    format: int
    heads: tuple[Head, ...]
    packed: tuple[bytes, ...]


class Index:
    """The services by name, by name in credential scopes, and by target prefix."""

    def __init__(self, heads: Iterable[Head], packed: Iterable[bytes]) -> None:
        self.heads: Mapping[str, Head] = {head.name: head for head in heads}
        self.packed: Mapping[str, bytes] = dict(zip(self.heads, packed, strict=True))
        self._models: dict[str, Model] = {}
        self._signed = _grouped((head.signing, head.name) for head in self.heads.values())
        self._targets = _grouped((head.target, head.name) for head in self.heads.values() if head.target)

    def model(self, name: str) -> Model:
        """A service's model; KeyError when there is none of that name."""
        found = self._models.get(name)
        if found is None:
            service = _SERVICE.decode(zlib.decompress(self.packed[name]))
            found = self._models[name] = Model(self.heads[name], service)
        return found

    def signed_as(self, signing: str) -> tuple[str, ...]:
        """The services whose requests are signed under a name."""
        return self._signed.get(signing, ())

    def targeted(self, prefix: str) -> tuple[str, ...]:
        """The services with a target prefix."""
        return self._targets.get(prefix, ())


def build(load: Callable[[str], Mapping[str, Any]], services: Iterable[str]) -> Index:
    """Compile the models of `services`; `load` gives the contents of a service's newest `service-2.json`."""
    heads: list[Head] = []
    packed: list[bytes] = []
    for name in sorted(services):
        model = load(name)
        heads.append(head_of(name, model))
        packed.append(zlib.compress(msgspec.msgpack.encode(compiled(name, model)), 6))
    return Index(heads, packed)


def dump(index: Index) -> bytes:
    """The index as bytes for `load`."""
    return msgspec.msgpack.encode(Stored(FORMAT, tuple(index.heads.values()), tuple(index.packed.values())))


def load(data: bytes) -> Index:
    """The index that `dump` wrote; ValueError when it wasn't `dump` of this format."""
    try:
        stored = msgspec.msgpack.decode(data, type=Stored)
    except msgspec.MsgspecError as error:
        raise ValueError("this is no index of AWS services") from error
    if stored.format != FORMAT:
        raise ValueError(f"the index has format {stored.format}, not {FORMAT}")
    return Index(stored.heads, stored.packed)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for key, name in pairs:
        groups[key] = (*groups.get(key, ()), name)
    return groups
