"""Samples of changes: made when a change is held, and read again for people."""

import asyncio
from collections.abc import Sequence
from itertools import accumulate

import structlog

from interlock.model import sample
from interlock.model.sample import Sample
from interlock.runtime.core import Core
from interlock.runtime.drive import described
from interlock.sdk.connector import Preview, Samples

MOST = 8 << 20
"""Bytes of a before-image that are read for a sample: a page must not wait for the rest."""

_log = structlog.get_logger(__name__)


async def of_hold(core: Core, target: str, preview: Preview | None) -> bytes:
    """What is kept of a preview with the change that it makes wait; empty when it tells nothing. It decides nothing: whatever goes
    wrong with it, the change is held all the same, without a sample."""
    if preview is None:
        return b""
    try:
        found = preview.sample if preview.sample is not None else await of_parts(core, target, preview.undo)
        return sample.encode(sample.counted(found, preview.measurement.effects))
    except Exception as error:  # noqa: BLE001  # no decision rests on it, and a hold must not fail because of it
        _log.error("sample.not_made", target=target, **described(error))
        return b""


async def of_parts(core: Core, target: str, parts: Sequence[bytes]) -> Sample:
    """What the first parts of a before-image tell, by their connector; empty when its target is not served here, or tells nothing.
    Raises Rejected."""
    live = core.lives.get(target)
    if not parts or not isinstance(live, Samples):
        return Sample()
    lengths = accumulate(map(len, parts), initial=0)
    first = [part for part, before in zip(parts, lengths, strict=False) if before < MOST]
    return await asyncio.to_thread(live.samples, first)
