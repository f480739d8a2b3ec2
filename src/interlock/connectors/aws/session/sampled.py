"""What people are shown of a unit's calls: the settings that they change, before and after. Policies are among them, statement by
statement. Secrets are in none (`call.Setting`): whoever finds settings out leaves them away."""

from collections.abc import Iterator, Sequence

import msgspec

from interlock.connectors.aws.call import Setting
from interlock.connectors.aws.session.judged import Looked
from interlock.model.operation import Resource
from interlock.model.sample import Sample, Text


def sampled(pieces: Sequence[Looked]) -> Sample | None:
    """A text for each call that changes settings; None when no call does."""
    parts = tuple(_text(piece) for piece in pieces if piece.described.settings)
    return Sample(parts) if parts else None


def _text(piece: Looked) -> Text:
    before = (line for setting in piece.described.settings for line in _lines(setting, setting.before))
    after = (line for setting in piece.described.settings for line in _lines(setting, setting.after))
    return Text(_resource(piece), "\n".join(before), "\n".join(after))


def _resource(piece: Looked) -> Resource:
    if piece.effects:
        return piece.effects[0].resource
    return piece.what.resource or Resource("aws:call", piece.what.call.name)


def _lines(setting: Setting, value: str) -> Iterator[str]:
    """Lists line by line, so that what is taken out of one shows as that."""
    items = _items(value)
    if items is None:
        yield f"{setting.name}: {value or 'unset'}"
        return
    yield f"{setting.name}:"
    yield from (f"  {item}" for item in items)


def _items(value: str) -> list[str] | None:
    if not value.startswith("["):
        return None
    try:
        found = msgspec.json.decode(value, type=list[object])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None  # it was cut, or only looks like a list
    return [item if isinstance(item, str) else msgspec.json.encode(item).decode() for item in found]
